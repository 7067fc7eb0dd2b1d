#include "graph/batch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "graph/error.h"

namespace pnflow {

namespace {

[[noreturn]] void missing(std::string_view name, const std::vector<std::string>& there) {
  throw DataError("missing field",
                  fmt::format("'{}'; there are: {}", name, fmt::join(there, ", ")));
}

[[noreturn]] void wrong_events(std::string_view name, std::size_t expected, std::size_t found) {
  throw DataError("wrong shape",
                  fmt::format("field '{}' has {} events, the batch {}", name, found, expected));
}

template <class Map>
auto* lookup(const Map& map, std::string_view name) {
  const auto it = map.find(name);
  return it == map.end() ? nullptr : &it->second;
}

}  // namespace

const Array& RaggedTable::column(std::string_view name) const {
  if (const Array* found = lookup(columns, name)) return *found;
  std::vector<std::string> there;
  for (const auto& [column, array] : columns) there.push_back(column);
  missing(name, there);
}

bool Batch::has(std::string_view name) const {
  return find(name) != nullptr || find_table(name) != nullptr;
}

std::vector<std::string> Batch::names() const {
  std::vector<std::string> names;
  for (const auto& [name, array] : arrays_) names.push_back(name);
  for (const auto& [name, table] : tables_) names.push_back(name);
  return names;
}

const Array* Batch::find(std::string_view name) const { return lookup(arrays_, name); }

const RaggedTable* Batch::find_table(std::string_view name) const {
  const auto* table = lookup(tables_, name);
  return table ? table->get() : nullptr;
}

const Array& Batch::array(std::string_view name) const {
  if (const Array* found = find(name)) return *found;
  missing(name, names());
}

const RaggedTable& Batch::table(std::string_view name) const {
  if (const RaggedTable* found = find_table(name)) return *found;
  missing(name, names());
}

Batch& Batch::set(std::string name, Array per_event) {
  const std::size_t events = per_event.rank() == 0 ? 0 : per_event.shape()[0];
  if (events != events_) wrong_events(name, events_, events);
  return set_message_field(std::move(name), std::move(per_event));
}

Batch& Batch::set(std::string name, RaggedTable per_event) {
  if (per_event.events() != events_) wrong_events(name, events_, per_event.events());
  for (const auto& [column, array] : per_event.columns) {
    if (array.rank() == 0 || array.shape()[0] != per_event.rows()) {
      throw DataError("wrong shape",
                      fmt::format("column '{}' of table '{}' is {}, the table has {} rows", column,
                                  name, to_string(array.shape()), per_event.rows()));
    }
  }
  tables_.insert_or_assign(std::move(name),
                           std::make_shared<const RaggedTable>(std::move(per_event)));
  return *this;
}

Batch& Batch::set_message_field(std::string name, Array array) {
  arrays_.insert_or_assign(std::move(name), std::move(array));
  return *this;
}

Batch& Batch::drop(std::string_view name) {
  if (const auto it = arrays_.find(name); it != arrays_.end()) arrays_.erase(it);
  if (const auto it = tables_.find(name); it != tables_.end()) tables_.erase(it);
  return *this;
}

const Attribute* Batch::attribute(std::string_view name) const { return lookup(attributes_, name); }

Batch& Batch::set_attribute(std::string name, Attribute value) {
  attributes_.insert_or_assign(std::move(name), std::move(value));
  return *this;
}

std::size_t Batch::bytes() const {
  std::size_t bytes = 0;
  for (const auto& [name, array] : arrays_) bytes += array.bytes();
  const Array* wire = find("wire");
  const Attribute* share = attribute("wire_share");
  if (wire == nullptr || share == nullptr) return bytes;
  const double rest = (1 - std::get<double>(*share)) * static_cast<double>(wire->bytes());
  return bytes - std::min(bytes, static_cast<std::size_t>(rest));
}

}  // namespace pnflow
