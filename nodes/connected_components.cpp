#include "nodes/connected_components.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "graph/error.h"

namespace pnflow {
namespace {

static_assert(std::endian::native == std::endian::little,
              "eight pixels are read as one word whose lowest byte is the first of them");

constexpr std::size_t word_bits = 64;

constexpr std::uint64_t low_bits(std::size_t n) { return (std::uint64_t{1} << n) - 1; }

// One bit for each of eight bytes, set where the byte is not zero.
std::uint64_t nonzero_bytes(std::uint64_t bytes) {
  constexpr std::uint64_t low_seven = 0x7f7f7f7f7f7f7f7f;
  constexpr std::uint64_t gather = 0x0102040810204080;
  const std::uint64_t high = (((bytes & low_seven) + low_seven) | bytes) & ~low_seven;
  return ((high >> 7) * gather) >> 56;
}

// One bit for each of 64 bytes. Maps are mostly empty, so that is tested first, all at once.
std::uint64_t pack(const std::uint8_t* pixels) {
  std::array<std::uint64_t, 8> bytes;
  std::memcpy(bytes.data(), pixels, word_bits);
  std::uint64_t any = 0;
  for (const std::uint64_t eight : bytes) any |= eight;
  if (any == 0) return 0;
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) word |= nonzero_bytes(bytes[i]) << (8 * i);
  return word;
}

// The two forms of a map, both read as words of 64 pixels.
struct ByteRows {
  const std::uint8_t* pixels;
  std::size_t width;

  struct Row {
    const std::uint8_t* pixels;
    std::uint64_t word(std::size_t i) const { return pack(pixels + i * word_bits); }
    std::uint64_t tail(std::size_t i, std::size_t count) const {
      std::array<std::uint8_t, word_bits> padded{};
      std::copy_n(pixels + i * word_bits, count, padded.begin());
      return pack(padded.data());
    }
  };
  Row row(std::size_t y) const { return {pixels + y * width}; }
};

struct BitRows {
  const std::uint64_t* words;
  std::size_t stride;

  struct Row {
    const std::uint64_t* words;
    std::uint64_t word(std::size_t i) const { return words[i]; }
    std::uint64_t tail(std::size_t i, std::size_t count) const {
      return words[i] & low_bits(count);
    }
  };
  Row row(std::size_t y) const { return {words + y * stride}; }
};

// Calls found(begin, end) for each run of a row, from left to right.
template <class Row, class Found>
void for_each_run(const Row& row, std::int32_t width, const Found& found) {
  std::uint64_t carry = 0;  // the last pixel of the word before
  std::int32_t begin = 0;
  const auto scan = [&](std::uint64_t word, std::size_t i) {
    std::uint64_t edges = word ^ ((word << 1) | carry);
    bool inside = carry != 0;
    carry = word >> (word_bits - 1);
    for (; edges != 0; edges &= edges - 1) {
      const auto x = static_cast<std::int32_t>(i * word_bits) + std::countr_zero(edges);
      if (inside) {
        found(begin, x);
      } else {
        begin = x;
      }
      inside = !inside;
    }
  };
  const std::size_t whole = static_cast<std::size_t>(width) / word_bits;
  const std::size_t rest = static_cast<std::size_t>(width) % word_bits;
  for (std::size_t i = 0; i < whole; ++i) {
    const std::uint64_t word = row.word(i);
    if ((word | carry) != 0) scan(word, i);
  }
  if (rest != 0) scan(row.tail(whole, rest), whole);
  // A tail is followed by zeros and so has ended its last run, a whole word may not have.
  if (carry != 0) found(begin, width);
}

void require_size(std::size_t found, std::size_t row, std::size_t height, std::size_t width) {
  constexpr std::size_t limit = std::numeric_limits<std::int32_t>::max();
  if (height > limit || width > limit || (width != 0 && height > limit / width)) {
    throw DataError("implausible size",
                    fmt::format("a map of {}x{} pixels has more than {}", height, width, limit));
  }
  if (found != height * row) {
    throw DataError("wrong shape", fmt::format("a map of {}x{} pixels has {} entries, not {}",
                                               height, width, height * row, found));
  }
}

}  // namespace

void Component::add(const PixelRun& run) {
  const std::int64_t length = run.end - run.begin;
  npix += length;
  sum_y += length * run.row;
  twice_sum_x += length * (std::int64_t{run.begin} + run.end - 1);
  box.y1 = run.row;
  box.x0 = std::min(box.x0, run.begin);
  box.x1 = std::max(box.x1, run.end - 1);
}

void ConnectedComponents::label_bytes(std::span<const std::uint8_t> pixels, std::size_t height,
                                      std::size_t width, Connectivity connectivity) {
  require_size(pixels.size(), width, height, width);
  label(ByteRows{pixels.data(), width}, height, width, connectivity);
}

void ConnectedComponents::label_bits(std::span<const std::uint64_t> words, std::size_t height,
                                     std::size_t width, Connectivity connectivity) {
  const std::size_t stride = words_per_row(width);
  require_size(words.size(), stride, height, width);
  label(BitRows{words.data(), stride}, height, width, connectivity);
}

template <class Rows>
void ConnectedComponents::label(const Rows& rows, std::size_t height, std::size_t width,
                                Connectivity connectivity) {
  // Runs of neighbouring rows touch when they overlap, with eight neighbours also when one ends
  // where the other begins.
  const std::int32_t reach = connectivity == Connectivity::eight ? 1 : 0;
  find_runs(rows, static_cast<std::int32_t>(height), static_cast<std::int32_t>(width), reach);
  number_components();
  group_runs();
}

template <class Rows>
void ConnectedComponents::find_runs(const Rows& rows, std::int32_t height, std::int32_t width,
                                    std::int32_t reach) {
  runs_.clear();
  row_begin_.assign(1, 0);
  std::size_t above = 0;
  for (std::int32_t y = 0; y < height; ++y) {
    const std::size_t above_end = runs_.size();
    for_each_run(rows.row(static_cast<std::size_t>(y)), width,
                 [&](std::int32_t begin, std::int32_t end) {
                   add_run({.row = y, .begin = begin, .end = end}, reach, above, above_end);
                 });
    row_begin_.push_back(static_cast<std::uint32_t>(runs_.size()));
    above = above_end;
  }
}

// `above` is the first run of the row above that may touch this run or one further right.
void ConnectedComponents::add_run(PixelRun run, std::int32_t reach, std::size_t& above,
                                  std::size_t above_end) {
  const auto self = static_cast<std::uint32_t>(runs_.size());
  std::uint32_t root = self;
  while (above < above_end && runs_[above].end + reach <= run.begin) ++above;
  for (std::size_t i = above; i < above_end && runs_[i].begin < run.end + reach; ++i) {
    const std::uint32_t other = root_of(static_cast<std::uint32_t>(i));
    // The earlier of two roots stays, so that a component's root is its first run.
    if (root != self) runs_[std::max(root, other)].component = std::min(root, other);
    root = std::min(root, other);
    above = i;  // the last one may touch the next run of this row, too
  }
  run.component = root;
  runs_.push_back(run);
}

std::uint32_t ConnectedComponents::root_of(std::uint32_t run) {
  while (runs_[run].component != run) {
    std::uint32_t& link = runs_[run].component;
    link = runs_[link].component;
    run = link;
  }
  return run;
}

void ConnectedComponents::number_components() {
  components_.clear();
  for (std::uint32_t i = 0; i < runs_.size(); ++i) {
    PixelRun& run = runs_[i];
    // Links lead to earlier runs, which have their component's number by now.
    if (run.component == i) {
      run.component = static_cast<std::uint32_t>(components_.size());
      components_.push_back({.box = {run.row, run.begin, run.row, run.end - 1}});
    } else {
      run.component = runs_[run.component].component;
    }
    components_[run.component].add(run);
  }
}

// A counting sort; it keeps the raster order within each component.
void ConnectedComponents::group_runs() {
  component_begin_.assign(components_.size() + 1, 0);
  for (const PixelRun& run : runs_) ++component_begin_[run.component];
  std::uint32_t end = 0;
  for (std::uint32_t& entry : component_begin_) {
    end += entry;
    entry = end;
  }
  grouped_.resize(runs_.size());
  for (std::size_t i = runs_.size(); i-- > 0;) {
    grouped_[--component_begin_[runs_[i].component]] = runs_[i];
  }
}

std::span<const PixelRun> ConnectedComponents::runs_of(std::size_t component) const {
  return std::span(grouped_).subspan(component_begin_[component],
                                     component_begin_[component + 1] - component_begin_[component]);
}

std::span<const PixelRun> ConnectedComponents::runs_in_row(std::int32_t y) const {
  const auto row = static_cast<std::size_t>(y);
  return std::span(runs_).subspan(row_begin_[row], row_begin_[row + 1] - row_begin_[row]);
}

void ConnectedComponents::trim(std::size_t bytes) {
  const std::size_t kept = (runs_.capacity() + grouped_.capacity()) * sizeof(PixelRun) +
                           components_.capacity() * sizeof(Component) +
                           (row_begin_.capacity() + component_begin_.capacity()) * 4;
  if (kept > bytes) *this = ConnectedComponents();
}

}  // namespace pnflow
