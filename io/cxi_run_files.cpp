#include "io/cxi_run_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace pnflow {
namespace {

constexpr std::string_view index_placeholder = "{index}";
constexpr std::string_view separators = "_-.";
// While files wait to be closed, writing the master takes up to a fifth of the time.
constexpr int master_pause = 4;

struct SplitName {
  std::string before, separator, after;
};

// "run_{index}" -> "run", "_", "".
SplitName split(std::string_view pattern) {
  const std::size_t at = pattern.find(index_placeholder);
  SplitName name{std::string(pattern.substr(0, at)), {}, {}};
  if (at != std::string_view::npos) name.after = pattern.substr(at + index_placeholder.size());
  const std::size_t end = name.before.find_last_not_of(separators) + 1;
  name.separator = name.before.substr(end);
  name.before.resize(end);
  return name;
}

}  // namespace

CxiRunFiles::CxiRunFiles(Settings settings) : settings_(std::move(settings)) {
  SplitName name = split(settings_.name);
  before_ = std::move(name.before);
  separator_ = std::move(name.separator);
  after_ = std::move(name.after);
}

std::string CxiRunFiles::name_fault(std::string_view pattern) {
  if (pattern.find('/') != std::string_view::npos) {
    return fmt::format("'{}' is a path; its first part belongs to 'directory'", pattern);
  }
  const std::size_t at = pattern.find(index_placeholder);
  if (at == std::string_view::npos || pattern.find(index_placeholder, at + 1) != pattern.npos) {
    return fmt::format("'{}' needs {} once: a run has several files", pattern, index_placeholder);
  }
  const SplitName name = split(pattern);
  if ((name.before + name.after).find_first_not_of(separators) == std::string::npos) {
    return fmt::format("'{}' needs a name beside {}: the list of the files is called by it",
                       pattern, index_placeholder);
  }
  return {};
}

// The name of the run, from which all others are made.
std::string CxiRunFiles::stem_with(const std::string& tag) const {
  if (!before_.empty()) return before_ + after_ + tag;
  return after_.substr(after_.find_first_not_of(separators)) + tag;
}

std::string CxiRunFiles::file_name(std::size_t index) const {
  return fmt::format("{}{}{}{:05}{}{}.cxi", before_, before_.empty() ? "" : tag_, separator_, index,
                     after_, before_.empty() ? tag_ : "");
}

// Whoever creates STEM.json owns all names that begin with STEM.
void CxiRunFiles::claim_stem() {
  const auto claim = [&] {
    const auto path = settings_.directory / (stem_with(tag_) + ".json");
    return write_new_file(path, settings_.json, settings_.wait);
  };
  for (int attempt = 1; !claim(); ++attempt) {
    tag_ = "-" + settings_.node + (attempt == 1 ? "" : fmt::format(".{}", attempt));
  }
  claimed_ = true;
}

AtomicFile CxiRunFiles::next() {
  if (!claimed_) claim_stem();
  for (;;) {
    const auto path = settings_.directory / file_name(index_++);
    if (auto file = AtomicFile::create(path, settings_.wait)) return *std::move(file);
  }
}

CxiRunFiles::Group& CxiRunFiles::group_of(const CxiPart& part) {
  const std::array shape = {part.format.panels, part.format.height, part.format.width};
  const auto known = std::ranges::find(groups_, shape, &Group::shape);
  if (known != groups_.end()) return *known;
  const std::size_t number = groups_.size() + 1;
  const std::string stem = stem_with(tag_) + (number == 1 ? "" : fmt::format("-{}", number));
  groups_.push_back(
      {.shape = shape,
       .stem = stem,
       .master = {settings_.directory / (stem + std::string(cxi_master_suffix)), settings_.origin},
       .unlisted = {},
       .has_list = false,
       .next_refresh = {}});
  return groups_.back();
}

void CxiRunFiles::closed(CxiPart part, const std::string& geometry) {
  Group& group = group_of(part);
  group.unlisted += part.path.string() + "\n";
  std::exception_ptr error;
  try {
    if (!group.has_list) {
      write_new_file(settings_.directory / (group.stem + ".geom"), geometry);
    }
    list(group);
  } catch (...) {
    error = std::current_exception();
  }
  group.master.add(std::move(part));
  if (Clock::now() >= group.next_refresh) refresh(group);
  if (error) std::rethrow_exception(error);
}

void CxiRunFiles::list(Group& group) {
  append_to_file(settings_.directory / (group.stem + ".lst"), group.unlisted, !group.has_list);
  group.unlisted.clear();
  group.has_list = true;
}

void CxiRunFiles::refresh(Group& group) {
  const auto start = Clock::now();
  group.master.write();
  const auto end = Clock::now();
  group.next_refresh = end + master_pause * (end - start);
}

void CxiRunFiles::catch_up() {
  for (Group& group : groups_) {
    if (!group.unlisted.empty()) list(group);
    if (group.master.is_outdated()) refresh(group);
  }
}

}  // namespace pnflow
