#include "graph/units.h"

#include <doctest/doctest.h>

#include <limits>
#include <random>

using namespace pnflow;
using namespace std::chrono_literals;

TEST_CASE("durations are read with their unit") {
  CHECK(parse_duration("30 s") == Duration(30s));
  CHECK(parse_duration("20ms") == Duration(20ms));
  CHECK(parse_duration("1.5 h") == Duration(90min));
  CHECK(parse_duration("0.25 us") == Duration(250ns));
  CHECK(parse_duration("2 min") == Duration(2min));
  CHECK(parse_duration("0") == Duration(0));
  CHECK(parse_duration("9223372036854775807 ns") == Duration::max());
}

TEST_CASE("a quantity without its unit, or with a wrong one, is not read") {
  for (const char* text : {"", "30", "s", "30 sec", "30 S", "-1 s", "1 s ", " 1 s", "1  2 s",
                           "inf s", "nan s", "1e30 s", "0.1 ns", "0x10 s"}) {
    CAPTURE(text);
    CHECK(!parse_duration(text));
  }
  CHECK(!parse_byte_size("64"));
  CHECK(!parse_byte_size("64 mb"));
  CHECK(!parse_byte_size("17000000 TiB"));
  CHECK(!parse_rate("120"));
  CHECK(!parse_rate("120 s"));
}

TEST_CASE("sizes have decimal and binary units") {
  CHECK(parse_byte_size("64 MiB") == ByteSize{64ULL << 20});
  CHECK(parse_byte_size("138 MB") == ByteSize{138'000'000});
  CHECK(parse_byte_size("1.5 KiB") == ByteSize{1536});
  CHECK(parse_byte_size("0") == ByteSize{0});
  CHECK(parse_byte_size("18446744073709551615 B") ==
        ByteSize{std::numeric_limits<std::uint64_t>::max()});
}

TEST_CASE("quantities are written with the unit that makes them short") {
  CHECK(to_string(Duration(20ms)) == "20 ms");
  CHECK(to_string(Duration(90s)) == "90 s");
  CHECK(to_string(Duration(2min)) == "2 min");
  CHECK(to_string(Duration(0)) == "0 s");
  CHECK(to_string(ByteSize{64ULL << 20}) == "64 MiB");
  CHECK(to_string(ByteSize{138'000'000}) == "138 MB");
  CHECK(to_string(ByteSize{0}) == "0 B");
  CHECK(to_string(Rate{120}) == "120 Hz");
  CHECK(to_string(Rate{2e6}) == "2 MHz");
  CHECK(to_string(Rate{0.5}) == "0.5 Hz");
}

TEST_CASE("what is written reads back as it was") {
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    const std::uint64_t n = random() >> (random() % 64);
    const Duration duration(static_cast<Duration::rep>(n >> 1U));
    CHECK(parse_duration(to_string(duration)) == duration);
    CHECK(parse_byte_size(to_string(ByteSize{n})) == ByteSize{n});
    const Rate rate{static_cast<double>(n) / 1024.0};
    CHECK(parse_rate(to_string(rate)) == rate);
  }
}
