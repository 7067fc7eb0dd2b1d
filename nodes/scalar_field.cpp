#include "nodes/scalar_field.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "graph/error.h"
#include "io/timestamps.h"

namespace pnflow {
namespace {

template <class T>
T read_one(const MessageField& field, std::size_t event) {
  T value{};
  field.read(event, std::as_writable_bytes(std::span(&value, 1)));
  return value;
}

}  // namespace

ScalarField::ScalarField(std::unique_ptr<MessageField> field, std::size_t events)
    : field_(std::move(field)) {
  const Shape& shape = field_->shape();
  if (shape.empty() || shape[0] != events || elements_of(shape) != events) {
    throw DataError("wrong shape", fmt::format("{} is {}, not one number for each of {} events",
                                               name(), to_string(shape), events));
  }
}

void ScalarField::require_timestamps() const {
  if (field_->is_text()) return;
  const DType dtype = field_->dtype();
  if (dtype == DType::u64 || dtype == DType::i64 || dtype == DType::f64) return;
  throw DataError("wrong dtype",
                  fmt::format("{} is {}; time stamps are uint64, int64, float64 or text", name(),
                              name_of(dtype)));
}

std::uint64_t ScalarField::timestamp(std::size_t event) const {
  if (field_->is_text()) return packed_from(field_->text(event)).value_or(0);
  if (field_->dtype() == DType::f64) return packed_from(read_one<double>(*field_, event));
  if (field_->dtype() == DType::u64) return read_one<std::uint64_t>(*field_, event);
  const auto value = read_one<std::int64_t>(*field_, event);
  return value < 0 ? 0 : static_cast<std::uint64_t>(value);
}

double ScalarField::number(std::size_t event) const {
  if (field_->is_text()) {
    double value = std::numeric_limits<double>::quiet_NaN();
    const std::string text = field_->text(event);
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }
  return dispatch(field_->dtype(), [&](auto zero) {
    return static_cast<double>(read_one<decltype(zero)>(*field_, event));
  });
}

std::optional<std::int64_t> ScalarField::integer(std::size_t event) const {
  if (field_->dtype() == DType::i64) return read_one<std::int64_t>(*field_, event);
  constexpr double exact = 9007199254740992;  // 2^53
  const double value = number(event);
  if (!(std::abs(value) <= exact) || value != std::trunc(value)) return {};
  return static_cast<std::int64_t>(value);
}

}  // namespace pnflow
