#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace pnflow {

// Time stamps of LCLS events are `seconds << 32 | nanoseconds` of Unix time in 64 bits ("packed").
// 0 means that the time is unknown. Pure functions.

std::uint64_t packed_timestamp(std::uint64_t seconds, std::uint64_t nanoseconds);

// Of X-ray pulse number `pulse` since a second of Unix time, at LCLS's 120 pulses a second.
std::uint64_t pulse_timestamp(std::uint64_t start_second, std::uint64_t pulse);

// From a float64 as the producers write it: a value below 2^40 is plain seconds, anything else a
// packed stamp that was rounded to float64 (steps of 1024, so nanoseconds are good to 512; when the
// rounding passed the end of a second, that second is kept as it stands).
// NaN, infinite, negative and zero values, and those beyond 64 bits, give 0.
std::uint64_t packed_from(double value);

// From text "seconds.nanoseconds" in which the part behind the point is an integer without leading
// zeros: "1700000000.5" is 5 ns. Nothing when the text is not of that form.
std::optional<std::uint64_t> packed_from(std::string_view text);

// Unix time of a packed stamp, and of this moment, in nanoseconds.
std::int64_t unix_nanoseconds(std::uint64_t packed);
std::int64_t unix_nanoseconds_now();

// Photon energy in eV of a wavelength in angstrom: 12398.4193 / wavelength (hc in eV angstrom).
// NaN, zero, negative and infinite wavelengths are missing: NaN.
double photon_energy_ev(double wavelength_angstrom);

}  // namespace pnflow
