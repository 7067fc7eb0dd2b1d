#include "io/timestamps.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace pnflow;

namespace {
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();
constexpr double infinity = std::numeric_limits<double>::infinity();
}  // namespace

TEST_CASE("A float64 below 2^40 is seconds, and its fraction becomes nanoseconds") {
  CHECK(packed_from(1700000000.0) == std::uint64_t{1700000000} << 32U);
  CHECK(packed_from(1700000000.5) == ((std::uint64_t{1700000000} << 32U) | 500'000'000U));
  CHECK(packed_from(0.25) == 250'000'000U);
}

TEST_CASE("A fraction that rounds up to a whole second carries into the seconds") {
  CHECK(packed_from(std::nextafter(3.0, 0.0)) == std::uint64_t{3} << 32U);
}

TEST_CASE("A float64 of 2^40 and more is a packed stamp") {
  const std::uint64_t packed = packed_timestamp(1700000000, 123'456'512);
  CHECK(packed_from(static_cast<double>(packed)) ==
        static_cast<std::uint64_t>(static_cast<double>(packed)));
  CHECK(packed_from(0x1p40) == std::uint64_t{1} << 40U);
}

TEST_CASE("A time stamp that cannot be a time is 0") {
  for (const double value : {not_a_number, infinity, -infinity, -1.0, 0.0, -0.0, 0x1p64, 1e300}) {
    CAPTURE(value);
    CHECK(packed_from(value) == 0);
  }
  CHECK(packed_from(0x1p32) == 0);
}

TEST_CASE("The part behind the point of a text stamp is an integer of nanoseconds") {
  CHECK(packed_from("1700000000.5") == packed_timestamp(1700000000, 5));
  CHECK(packed_from("1700000000.500000000") == packed_timestamp(1700000000, 500'000'000));
  for (const char* text : {"", ".", "1", "1.", ".5", "1.5x", "-1.5", "1.1000000000", "4294967296.0",
                           "1.5.6", " 1.5"}) {
    CAPTURE(text);
    CHECK_FALSE(packed_from(std::string_view(text)).has_value());
  }
}

TEST_CASE(
    "Photon energy is 12398.4193 eV angstrom over the wavelength, and missing stays missing") {
  CHECK(photon_energy_ev(1.0) == doctest::Approx(12398.4193));
  CHECK(photon_energy_ev(1.305) == doctest::Approx(12398.4193 / 1.305));
  for (const double value : {not_a_number, infinity, 0.0, -1.0})
    CHECK(std::isnan(photon_energy_ev(value)));
}

TEST_CASE("pulses come 120 times a second") {
  CHECK(pulse_timestamp(5, 0) == std::uint64_t{5} << 32U);
  CHECK(pulse_timestamp(5, 119) == ((std::uint64_t{5} << 32U) | 991'666'666U));
  CHECK(pulse_timestamp(5, 240) == std::uint64_t{7} << 32U);
}
