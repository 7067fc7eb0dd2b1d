// What `pnflow evaluate` prints of an evaluation.

#include <fmt/format.h>

#include <cmath>

#include "cli/evaluation.h"
#include "cli/json_number.h"
#include "cli/report_line.h"

namespace pnflow {
namespace {

using nlohmann::ordered_json;

std::string bin_name(const SnrBin& bin) {
  return std::isfinite(bin.to) ? fmt::format("{:g}-{:g}", bin.from, bin.to)
                               : fmt::format(">{:g}", bin.from);
}

void add_bins(std::string& text, const PeakScore& score) {
  std::string names, recalls, positions, reflections;
  for (const SnrBin& bin : score.bins) {
    names += fmt::format("{:>8}", bin_name(bin));
    recalls += fmt::format("{:>8}", decimals(bin.recall(), 3));
    positions += fmt::format("{:>8}", decimals(bin.position, 3));
    reflections += fmt::format("{:>8}", bin.reflections);
  }
  add_line(text, "SNR", "{}", names);
  add_line(text, "recall", "{}", recalls);
  add_line(text, "off by", "{} px in the median", positions);
  add_line(text, "of", "{} reflections", reflections);
}

}  // namespace

std::string evaluation_text(const Evaluation& evaluation) {
  const PeakScore& score = evaluation.score;
  std::string text = fmt::format("{}: {} events with a crystal, {} blank\n", evaluation.truth,
                                 score.crystals, score.blanks);
  if (const auto& run = evaluation.run) {
    add_line(text, "run", "{} events decoded, {} delivered, {} vetoed, {} failed", run->decoded,
             run->delivered, Books::total(run->vetoed), Books::total(run->failed));
  }
  add_line(text, "events", "{} in {} CXI file{}: {} of {} with a crystal, {} of {} blank",
           evaluation.events, evaluation.files, evaluation.files == 1 ? "" : "s",
           score.crystals_present, score.crystals, score.blanks_present, score.blanks);
  add_line(text, "recall", "{}: of {} visible reflections, {} are found within {:g} pixels",
           decimals(score.recall(), 4), score.reflections, score.matched, evaluation.radius);
  add_line(text, "precision", "{}: {} peaks matched, {} duplicate, {} false, of which {} on blanks",
           decimals(score.precision(), 4), score.matched, score.duplicate, score.spurious,
           score.spurious_on_blanks);
  add_line(text, "", "{} at reflections too faint to ask for, or at stray spots: ignored",
           score.ignored);
  add_line(text, "F1", "{}", decimals(score.f1(), 4));
  add_bins(text, score);
  add_line(text, "position",
           "off by {} px in the median, {} px at 95%; mean offset fs {}, ss {} px",
           decimals(score.position.median, 3), decimals(score.position.p95, 3),
           decimals(score.position.mean_fs, 3), decimals(score.position.mean_ss, 3));
  if (const auto& worst = score.worst) {
    add_line(text, "worst", "event {} lost {} of {} reflections of SNR {:g} or more, {}%",
             worst->event, worst->reflections - worst->found, worst->reflections,
             PeakScore::strong_snr, decimals(100 * worst->lost(), 1));
  }
  return text;
}

std::vector<std::string> evaluation_warnings(const Evaluation& evaluation) {
  std::vector<std::string> lines;
  const auto warn = [&](std::size_t count, const char* what) {
    if (count > 0)
      lines.push_back(fmt::format("{} event{} {}", count, count == 1 ? "" : "s", what));
  };
  warn(evaluation.repeated, "repeated a time stamp: the last one of each counts");
  warn(evaluation.unknown, "had a time stamp that is not in the truth: not scored");
  warn(evaluation.cut, "had fewer peaks that can be read than the file says");
  if (!evaluation.run) return lines;
  for (const auto& [reason, count] : evaluation.run->failed) {
    lines.push_back(
        fmt::format("{} events failed in the run, '{}': nothing found in them", count, reason));
  }
  return lines;
}

ordered_json evaluation_json(const Evaluation& evaluation) {
  const PeakScore& score = evaluation.score;
  ordered_json json = {{"truth", evaluation.truth},
                       {"radius", evaluation.radius},
                       {"files", evaluation.files},
                       {"events",
                        {{"crystals", score.crystals},
                         {"blanks", score.blanks},
                         {"crystals_present", score.crystals_present},
                         {"blanks_present", score.blanks_present},
                         {"in_files", evaluation.events},
                         {"repeated", evaluation.repeated},
                         {"unknown", evaluation.unknown},
                         {"cut", evaluation.cut}}},
                       {"run", nullptr},
                       {"reflections", score.reflections},
                       {"found", score.matched},
                       {"peaks",
                        {{"matched", score.matched},
                         {"duplicate", score.duplicate},
                         {"false", score.spurious},
                         {"false_on_blanks", score.spurious_on_blanks},
                         {"ignored", score.ignored}}},
                       {"recall", json_number(score.recall())},
                       {"precision", json_number(score.precision())},
                       {"f1", json_number(score.f1())},
                       {"recall_by_snr", ordered_json::array()},
                       {"position",
                        {{"median", json_number(score.position.median)},
                         {"p95", json_number(score.position.p95)},
                         {"mean_fs", json_number(score.position.mean_fs)},
                         {"mean_ss", json_number(score.position.mean_ss)}}},
                       {"worst", nullptr}};
  if (const auto& run = evaluation.run) {
    json["run"] = {{"decoded", run->decoded},
                   {"delivered", run->delivered},
                   {"vetoed", Books::total(run->vetoed)},
                   {"failed", Books::total(run->failed)}};
  }
  for (const SnrBin& bin : score.bins) {
    json["recall_by_snr"].push_back({{"from", bin.from},
                                     {"to", json_number(bin.to)},
                                     {"reflections", bin.reflections},
                                     {"found", bin.found},
                                     {"recall", json_number(bin.recall())},
                                     {"position", json_number(bin.position)}});
  }
  if (const auto& worst = score.worst) {
    json["worst"] = {{"event", worst->event},
                     {"timestamp", evaluation.worst_timestamp},
                     {"reflections", worst->reflections},
                     {"found", worst->found},
                     {"lost", json_number(worst->lost())}};
  }
  return json;
}

}  // namespace pnflow
