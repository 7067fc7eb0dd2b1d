#include "nodes/throttle.h"

#include <algorithm>
#include <string>
#include <utility>

namespace pnflow {

namespace {

// How soon an abort is noticed.
constexpr std::chrono::milliseconds look_around = std::chrono::milliseconds(20);

}  // namespace

void Throttle::describe(Spec<Params>& spec) {
  spec.summary("Passes messages one at a time, after a delay or at a rate, unchanged.");
  spec.param("delay", &Params::delay)
      .at_least(Duration{0})
      .help("time that each message takes; the next one begins when it is through");
  spec.param("rate", &Params::rate).help("messages per second that pass at most");
  spec.check("rate", [](const Params& p) -> std::optional<std::string> {
    if (p.rate && p.rate->hertz < 1e-6) return "'rate' must be greater than 0";
    return {};
  });
  spec.check("delay", [](const Params& p) -> std::optional<std::string> {
    if (p.delay == Duration{0} && !p.rate) return "'delay' or 'rate' must be given";
    return {};
  });
}

Throttle::~Throttle() { close(); }

void Throttle::open(OpenContext& context) {
  services_ = &context.services();
  thread_ = std::jthread([this](const std::stop_token& stop) { pass_messages(stop); });
}

void Throttle::submit(Batch batch, Completion completion) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back({std::move(batch), std::move(completion)});
  }
  arrived_.notify_one();
}

void Throttle::close() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void Throttle::pass_messages(const std::stop_token& stop) {
  const auto interval = params_.rate ? std::chrono::duration_cast<Clock::duration>(
                                           std::chrono::duration<double>(1 / params_.rate->hertz))
                                     : Clock::duration{0};
  Clock::time_point next_departure = Clock::now();
  std::unique_lock lock(mutex_);
  // Whatever is here when the thread is stopped still gets its answer.
  while (arrived_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
    Waiting one = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    const Clock::time_point departure = std::max(Clock::now() + params_.delay, next_departure);
    wait_until(departure, stop);
    next_departure = departure + interval;
    std::move(one.completion).answer(std::move(one.batch));
    lock.lock();
  }
}

void Throttle::wait_until(Clock::time_point when, const std::stop_token& stop) const {
  while (!stop.stop_requested() && !services_->aborting()) {
    const auto now = Clock::now();
    if (now >= when) return;
    std::this_thread::sleep_until(std::min<Clock::time_point>(when, now + look_around));
  }
}

}  // namespace pnflow
