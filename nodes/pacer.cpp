#include "nodes/pacer.h"

#include <fmt/format.h>

#include <algorithm>
#include <thread>

namespace pnflow {

using std::chrono::milliseconds;

bool Pacer::sleep_until(Clock::time_point due, const SourceContext& context) {
  constexpr milliseconds look_around{50};
  while (!context.stopping() && Clock::now() < due) {
    std::this_thread::sleep_until(std::min<Clock::time_point>(due, Clock::now() + look_around));
  }
  return !context.stopping();
}

bool Pacer::wait_for_turn(std::size_t events, const SourceContext& context) {
  if (rate_.hertz <= 0) return !context.stopping();
  constexpr milliseconds caught_up{100};
  const auto now = Clock::now();
  const auto due = due_ ? std::max(*due_, now - caught_up) : now;
  if (!sleep_until(due, context)) return false;
  due_ = due + std::chrono::duration_cast<Clock::duration>(
                   std::chrono::duration<double>(static_cast<double>(events) / rate_.hertz));
  return true;
}

bool Pacer::wait_for_time(std::int64_t nanoseconds, SourceContext& context) {
  if (!first_) {
    first_ = nanoseconds;
    began_ = Clock::now();
  }
  std::int64_t offset = 0;
  if (__builtin_sub_overflow(nanoseconds, *first_, &offset)) return !context.stopping();
  // A year at most, so that the sum cannot overflow.
  constexpr std::chrono::hours longest{24 * 365};
  const auto due = began_ + std::min<Clock::duration>(std::chrono::nanoseconds(offset), longest);
  constexpr std::chrono::seconds worth_saying{10};
  if (due - Clock::now() > worth_saying) {
    context.log(LogLevel::info,
                fmt::format("the next message came {} later", to_string(due - Clock::now())));
  }
  return sleep_until(due, context);
}

}  // namespace pnflow
