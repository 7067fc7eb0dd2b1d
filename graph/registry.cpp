#include "graph/registry.h"

#include <stdexcept>
#include <utility>

namespace pnflow {

namespace {
constexpr std::string_view built_in = "built in";
}

std::string_view name_of(NodeKind kind) {
  switch (kind) {
    case NodeKind::source: return "source";
    case NodeKind::transform: return "transform";
    case NodeKind::async_transform: return "asynchronous transform";
    case NodeKind::sink: return "sink";
    case NodeKind::gate: break;
  }
  return "limiter";
}

Registry::Registry() : origin_(built_in) {}
Registry::~Registry() = default;

void Registry::add(NodeType type) {
  type.origin = origin_;
  const std::string name = type.name;
  const auto [it, fresh] = types_.emplace(name, std::move(type));
  if (!fresh) {
    const std::string& owner = it->second.origin;
    throw std::logic_error("node type '" + name + "' is taken: it " +
                           (owner == built_in ? "is built in" : "came with '" + owner + "'"));
  }
}

const NodeType* Registry::find(std::string_view name) const {
  const auto it = types_.find(name);
  return it == types_.end() ? nullptr : &it->second;
}

std::vector<std::string> Registry::types() const {
  std::vector<std::string> names;
  for (const auto& [name, type] : types_) names.push_back(name);
  return names;
}

void Registry::offer(std::string interface, std::string name, std::shared_ptr<void> extension) {
  offers_[{std::move(interface), std::move(name)}] = std::move(extension);
}

std::shared_ptr<void> Registry::find_offer(std::string_view interface,
                                           std::string_view name) const {
  const auto it = offers_.find({std::string(interface), std::string(name)});
  return it == offers_.end() ? nullptr : it->second;
}

std::vector<std::string> Registry::offers(std::string_view interface) const {
  std::vector<std::string> names;
  for (const auto& [key, extension] : offers_) {
    if (key.first == interface) names.push_back(key.second);
  }
  return names;
}

bool Registry::begin_origin(const std::string& file) {
  origin_ = file;
  return origins_.insert(file).second;
}

}  // namespace pnflow
