#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/crystfel_geometry.h"

// The right-hand sides of a CrystFEL geometry file. Each function throws RunError with what was
// expected and what was found, for somebody who knows the line and the key to put in front.
namespace pnflow::crystfel {

// Without blanks at both ends.
std::string_view trimmed(std::string_view text);

// Decimal and finite. A sign may be in front; no blanks, no unit.
double number(std::string_view text);
double positive_number(std::string_view text);

// A row or column of the slab: a whole number from 0 on, which may be written "191.0".
std::size_t pixel_index(std::string_view text);

// Decimal, or hexadecimal behind 0x.
std::uint64_t bits(std::string_view text);

// "true", "false" in any case, or a whole number, of which 0 is false.
bool flag(std::string_view text);

// "-0.004x +0.99y - z": terms of a number (1 where there is none) and an axis, in any order, with
// blanks or an asterisk between; terms of one axis add up. No exponents, as in CrystFEL.
LabVector vector(std::string_view text);

// A number or an absolute path in the data file, then blanks and a unit. `units`: what each unit
// is in the base unit. Without a unit a number counts `bare_number` times and a path `bare_path`
// times; 0 means that a unit must be there.
struct Units {
  std::vector<std::pair<std::string_view, double>> known;
  double bare_number = 1, bare_path = 1;
};
GeometryQuantity quantity(std::string_view text, const Units& units);

std::string absolute_path(std::string_view text);

// "fs", "ss", "%" or the fixed index.
DataAxis axis(std::string_view text);

// Names with commas between them; at least one, none twice.
std::vector<std::string> names(std::string_view text);

}  // namespace pnflow::crystfel
