#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "graph/log.h"

namespace pnflow {

using namespace std::chrono_literals;

namespace {

constexpr const char* clear_line = "\r\033[K";

std::string minutes(double seconds) {
  const auto whole = static_cast<long>(seconds);
  return fmt::format("{:02}:{:02}", whole / 60, whole % 60);
}

}  // namespace

std::string progress_line(const RunStatus& status, double rate) {
  const Books& books = status.books;
  const auto& e = books.events;
  std::string line =
      fmt::format("{} {} events, {:.1f}/s",
                  minutes(std::chrono::duration<double>(status.wall).count()), e.decoded, rate);
  const std::uint64_t vetoed = Books::total(e.vetoed);
  if (e.delivered + vetoed > 0) {
    line += fmt::format(", hits {:.0f}%", 100.0 * static_cast<double>(e.delivered) /
                                              static_cast<double>(e.delivered + vetoed));
  }
  if (const auto failed = Books::total(e.failed); failed > 0)
    line += fmt::format(", {} failed", failed);
  if (const auto bad = Books::total(books.messages.unreadable); bad > 0) {
    line += fmt::format(", {} unreadable", bad);
  }
  line += ",";
  for (const auto& node : status.nodes) {
    if (node.capacity)
      line += fmt::format(" {} {}/{}", node.name, *node.credits_out, *node.capacity);
  }
  line += fmt::format(" live {}/{}", status.live_messages, status.window);
  if (e.expected && rate > 0 && *e.expected > e.decoded) {
    line += fmt::format(", ETA {}", minutes(static_cast<double>(*e.expected - e.decoded) / rate));
  }
  return line;
}

Progress::Progress(std::function<RunStatus()> status)
    : status_(std::move(status)),
      terminal_(isatty(STDERR_FILENO) != 0),
      thread_([this] { show(); }) {
  // A log line begins where the line of progress stands.
  if (terminal_) logger()->set_pattern(std::string(clear_line) + log_pattern);
}

Progress::~Progress() {
  {
    const std::lock_guard lock(mutex_);
    end_ = true;
  }
  ended_.notify_one();
  thread_.join();
  if (!terminal_) return;
  fmt::print(stderr, clear_line);
  logger()->set_pattern(log_pattern);
}

void Progress::show() {
  std::unique_lock lock(mutex_);
  std::uint64_t before = 0;
  auto then = Clock::now();
  while (!ended_.wait_for(lock, terminal_ ? 500ms : 10s, [this] { return end_; })) {
    const RunStatus status = status_();
    const auto now = Clock::now();
    const double rate = static_cast<double>(status.books.events.decoded - before) /
                        std::chrono::duration<double>(now - then).count();
    before = status.books.events.decoded;
    then = now;
    if (terminal_) {
      fmt::print(stderr, "{}{}", clear_line, progress_line(status, rate));
      std::fflush(stderr);
    } else if (status.books.messages.received > 0) {
      logger()->info("{}", progress_line(status, rate));
    }
  }
}

}  // namespace pnflow
