#include "nodes/event_number.h"

#include <fmt/format.h>

#include <cmath>

#include "graph/error.h"

namespace pnflow {

std::optional<double> number_of(const Batch& batch, std::string_view field, std::size_t event) {
  const Array* array = batch.find(field);
  if (array == nullptr) return {};
  if (array->rank() != 1) {
    throw DataError("wrong shape", fmt::format("field {} is {}, not one number per event", field,
                                               to_string(array->shape())));
  }
  const double value = dispatch(array->dtype(), [&](auto element) {
    return static_cast<double>(array->as<decltype(element)>()[event]);
  });
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

double photon_energy_of(const Batch& batch, std::size_t event, const SlabGeometry* geometry) {
  const double energy = number_of(batch, "photon_energy", event).value_or(0);
  if (energy > 0) return energy;
  return geometry == nullptr ? 0 : geometry->photon_energy().value_or(0);
}

}  // namespace pnflow
