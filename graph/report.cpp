#include "graph/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace pnflow {

namespace {

double seconds(std::chrono::nanoseconds duration) {
  return std::chrono::duration<double>(duration).count();
}

// "1.24 ms": three digits that fit a column.
std::string short_time(std::chrono::nanoseconds duration) {
  const double s = seconds(duration);
  if (s == 0) return "-";
  if (s < 1e-6) return fmt::format("{:.0f} ns", s * 1e9);
  if (s < 1e-3) return fmt::format("{:.3g} us", s * 1e6);
  if (s < 1) return fmt::format("{:.3g} ms", s * 1e3);
  return fmt::format("{:.4g} s", s);
}

std::string reasons(const Books::ByReason& book) {
  std::string text;
  for (const auto& [reason, n] : book) text += fmt::format("\n      {:>10}  {}", n, reason);
  return text;
}

// Share of the run in which `workers` were busy for so long.
double share_of(const RunStatus& status, std::chrono::nanoseconds busy, int workers = 1) {
  return seconds(busy) / workers / std::max(seconds(status.wall), 1e-9);
}

// Share of the run in which the node's workers, or the threads of a sink, were in its body.
double busy_share(const RunStatus& status, const RunStatus::NodeStatus& node) {
  const double body = share_of(status, node.body.busy, node.workers);
  if (!node.write) return body;
  return std::max(body, share_of(status, node.write->busy, node.writers));
}

// "55.1", "1204": three digits, or all in front of the point.
std::string short_number(double value) {
  constexpr double four_digits = 999.5;  // rounds to them
  return std::abs(value) < four_digits ? fmt::format("{:.3g}", value)
                                       : fmt::format("{:.0f}", value);
}

// "infer device 0: rate 55.1 images/s, compute busy 99.1 %": a line for each group, in the order in
// which the node names them.
std::string figure_lines(const RunStatus::NodeStatus& node) {
  std::vector<std::pair<std::string, std::string>> lines;
  for (const Figure& figure : node.figures) {
    auto line = std::ranges::find(lines, figure.group, &std::pair<std::string, std::string>::first);
    if (line == lines.end()) {
      const std::string space = figure.group.empty() ? "" : " ";
      line = lines.insert(line, {figure.group, "\n" + node.name + space + figure.group + ": "});
    } else {
      line->second += ", ";
    }
    line->second += fmt::format("{} {}{}{}", figure.name, short_number(figure.value),
                                figure.unit.empty() ? "" : " ", figure.unit);
  }
  std::string text;
  for (const auto& [group, line] : lines) text += line;
  return text;
}

nlohmann::json figures_of(const RunStatus::NodeStatus& node) {
  nlohmann::json groups = nlohmann::json::object();
  for (const Figure& figure : node.figures) {
    groups[figure.group][figure.name] = {{"value", figure.value}, {"unit", figure.unit}};
  }
  return groups;
}

nlohmann::json measures(const NodeMetrics::Snapshot& node) {
  return {{"messages", node.messages},    {"events", node.events},
          {"busy_s", seconds(node.busy)}, {"waiting_s", seconds(node.waiting)},
          {"p50_s", seconds(node.p50)},   {"p99_s", seconds(node.p99)},
          {"max_s", seconds(node.max)},   {"queue_peak", node.depth_peak}};
}

}  // namespace

Outcome outcome_of(const RunStatus& status, const RunControl& control, bool strict) {
  if (!status.books.messages_add_up() || !status.books.events_add_up()) return Outcome::books_wrong;
  if (control.aborting()) return Outcome::aborted;
  if (!control.error().empty()) return Outcome::run_error;
  const auto& books = status.books;
  const bool lost =
      !books.events.failed.empty() || !books.messages.unreadable.empty() || books.missing() > 0;
  return strict && lost ? Outcome::events_failed : Outcome::done;
}

std::string books_text(const Books& books) {
  const auto& m = books.messages;
  const auto& e = books.events;
  std::string text =
      fmt::format("messages  {} received = {} decoded + {} control + {} unreadable{}   {}",
                  m.received, m.decoded, m.control, Books::total(m.unreadable),
                  m.raw > 0 ? fmt::format(" + {} raw", m.raw) : "",
                  books.messages_add_up() ? "adds up" : "DOES NOT ADD UP");
  text += reasons(m.unreadable);
  text += fmt::format("\nevents    {} decoded = {} delivered + {} vetoed + {} failed   {}",
                      e.decoded, e.delivered, Books::total(e.vetoed), Books::total(e.failed),
                      books.events_add_up() ? "adds up" : "DOES NOT ADD UP");
  text += reasons(e.vetoed);
  text += reasons(e.failed);
  if (e.expected) {
    text += fmt::format("\n          {} expected, {} missing", *e.expected, books.missing());
  }
  return text;
}

std::string node_table(const RunStatus& status) {
  std::size_t width = 8;
  for (const auto& node : status.nodes) width = std::max(width, node.name.size() + 6);
  std::string text =
      fmt::format("{:<{}} {:>9} {:>9} {:>6} {:>10} {:>10} {:>10} {:>10} {:>6}", "node", width,
                  "messages", "events", "busy", "waiting", "p50", "p99", "max", "queue");
  const auto busiest = std::ranges::max_element(status.nodes, {}, [&](const auto& node) {
    return node.type.ends_with("_source") || node.capacity ? -1.0 : busy_share(status, node);
  });
  const auto row = [&](const std::string& name, const NodeMetrics::Snapshot& n, double share,
                       bool marked) {
    text += fmt::format("\n{:<{}} {:>9} {:>9} {:>5.0f}% {:>10} {:>10} {:>10} {:>10} {:>6}{}", name,
                        width, n.messages, n.events, 100 * share,
                        short_time(n.messages ? n.waiting / static_cast<std::int64_t>(n.messages)
                                              : std::chrono::nanoseconds{}),
                        short_time(n.p50), short_time(n.p99), short_time(n.max), n.depth_peak,
                        marked ? "  <- busiest" : "");
  };
  for (auto node = status.nodes.begin(); node != status.nodes.end(); ++node) {
    row(node->name, node->body, share_of(status, node->body.busy, node->workers), node == busiest);
    if (node->write)
      row(node->name + " write", *node->write, share_of(status, node->write->busy, node->writers),
          false);
  }
  for (const auto& node : status.nodes) {
    text += figure_lines(node);
    for (const auto& [counter, n] : node.body.counters) {
      text += fmt::format("\n{}: {} {}", node.name, n, counter);
    }
  }
  return text;
}

std::string report_json(const ReportHead& head, const RunStatus& status, Outcome outcome) {
  const Books& books = status.books;
  nlohmann::json nodes = nlohmann::json::array();
  for (const auto& node : status.nodes) {
    nlohmann::json entry = measures(node.body);
    entry["name"] = node.name;
    entry["type"] = node.type;
    entry["workers"] = node.workers;
    entry["busy_share"] = busy_share(status, node);
    entry["counters"] = node.body.counters;
    entry["figures"] = figures_of(node);
    if (node.write) entry["write"] = measures(*node.write);
    if (node.capacity) entry["capacity"] = *node.capacity;
    nodes.push_back(std::move(entry));
  }
  const auto& m = books.messages;
  const auto& e = books.events;
  nlohmann::json report = {
      {"version", PNFLOW_VERSION},
      {"run", head.run_name},
      {"graph", head.graph_file},
      {"exit_code", static_cast<int>(outcome)},
      {"error", head.error.empty() ? nlohmann::json(nullptr) : nlohmann::json(head.error)},
      {"wall_s", seconds(status.wall)},
      {"window", status.window},
      {"max_live_messages", status.max_live_messages},
      {"messages",
       {{"received", m.received},
        {"decoded", m.decoded},
        {"control", m.control},
        {"raw", m.raw},
        {"unreadable", m.unreadable},
        {"add_up", books.messages_add_up()}}},
      {"events",
       {{"decoded", e.decoded},
        {"delivered", e.delivered},
        {"vetoed", e.vetoed},
        {"failed", e.failed},
        {"expected", e.expected ? nlohmann::json(*e.expected) : nlohmann::json(nullptr)},
        {"missing", books.missing()},
        {"add_up", books.events_add_up()}}},
      {"nodes", std::move(nodes)},
      {"config", nlohmann::json::parse(head.resolved_config)}};
  return report.dump(2);
}

}  // namespace pnflow
