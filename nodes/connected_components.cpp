#include "nodes/connected_components.h"

#include <fmt/format.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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

// One bit for each of 64 bytes, set where the byte is not zero.
#ifdef __SSE2__
std::uint64_t pack(const std::uint8_t* pixels) {
  std::uint64_t zeros = 0;
  for (std::size_t i = 0; i < word_bits; i += 16) {
    const __m128i sixteen = _mm_loadu_si128(reinterpret_cast<const __m128i*>(pixels + i));
    const int are_zero = _mm_movemask_epi8(_mm_cmpeq_epi8(sixteen, _mm_setzero_si128()));
    zeros |= static_cast<std::uint64_t>(are_zero) << i;
  }
  return ~zeros;
}
#else
std::uint64_t pack(const std::uint8_t* pixels) {
  constexpr std::uint64_t low_seven = 0x7f7f7f7f7f7f7f7f;
  constexpr std::uint64_t gather = 0x0102040810204080;
  std::uint64_t word = 0;
  for (std::size_t i = 0; i < word_bits; i += 8) {
    std::uint64_t bytes = 0;
    std::memcpy(&bytes, pixels + i, sizeof(bytes));
    const std::uint64_t high = (((bytes & low_seven) + low_seven) | bytes) & ~low_seven;
    word |= (((high >> 7) * gather) >> 56) << i;
  }
  return word;
}
#endif

constexpr std::size_t group = 8;  // words that are looked at at once

// The two forms of a map, both read as words of 64 pixels. `any_of_group` may be false where a
// group of words from the i-th on is all zeros: of bits that is known much sooner than what they
// are; bytes take as long to come from memory as to be packed.
struct ByteRows {
  const std::uint8_t* pixels;
  std::size_t width;

  struct Row {
    const std::uint8_t* pixels;
    static bool any_of_group(std::size_t) { return true; }
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
    bool any_of_group(std::size_t i) const {
      std::uint64_t any = 0;
      for (std::size_t k = 0; k < group; ++k) any |= words[i + k];
      return any != 0;
    }
    std::uint64_t word(std::size_t i) const { return words[i]; }
    std::uint64_t tail(std::size_t i, std::size_t count) const {
      return words[i] & low_bits(count);
    }
  };
  Row row(std::size_t y) const { return {words + y * stride}; }
};

// Collects the words of a row that are not zero. Whether one is decides no branch: where there are
// many peaks it would be guessed wrong as often.
template <class Row, class Word>
std::size_t nonzero_words(const Row& row, std::size_t width, std::vector<Word>& words) {
  const std::size_t whole = width / word_bits;
  const std::size_t rest = width % word_bits;
  std::size_t count = 0;
  const auto keep = [&](std::uint64_t bits, std::size_t i) {
    words[count] = {bits, static_cast<std::int32_t>(i * word_bits)};
    count += static_cast<std::size_t>(bits != 0);
  };
  std::size_t i = 0;
  for (; i + group <= whole; i += group) {
    if (!row.any_of_group(i)) continue;
    for (std::size_t k = i; k < i + group; ++k) keep(row.word(k), k);
  }
  for (; i < whole; ++i) keep(row.word(i), i);
  if (rest != 0) keep(row.tail(whole, rest), whole);
  return count;
}

// Calls found(begin, end) for each run of a row of so many words that are not zero, from left to
// right.
template <class Word, class Found>
void for_each_run(std::span<const Word> words, std::int32_t width, const Found& found) {
  bool inside = false;  // a run that reaches to the end of the words so far
  std::int32_t begin = 0;
  std::int32_t next = 0;  // the pixel behind them
  for (const auto& [bits, first] : words) {
    if (inside && first != next) {
      found(begin, next);
      inside = false;
    }
    std::uint64_t edges = bits ^ ((bits << 1) | static_cast<std::uint64_t>(inside));
    for (; edges != 0; edges &= edges - 1) {
      const std::int32_t x = first + std::countr_zero(edges);
      if (inside) {
        found(begin, x);
      } else {
        begin = x;
      }
      inside = !inside;
    }
    next = first + static_cast<std::int32_t>(word_bits);
  }
  if (inside) found(begin, std::min(next, width));
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

void Component::add(const Component& other) {
  npix += other.npix;
  sum_y += other.sum_y;
  twice_sum_x += other.twice_sum_x;
  box = {std::min(box.y0, other.box.y0), std::min(box.x0, other.box.x0),
         std::max(box.y1, other.box.y1), std::max(box.x1, other.box.x1)};
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
  if (joined_) number_components();
  group_runs();
}

template <class Rows>
void ConnectedComponents::find_runs(const Rows& rows, std::int32_t height, std::int32_t width,
                                    std::int32_t reach) {
  runs_.clear();
  components_.clear();
  links_.clear();
  joined_ = false;
  row_begin_.assign(1, 0);
  words_.resize(words_per_row(static_cast<std::size_t>(width)) + 1);
  std::size_t above = 0;
  for (std::int32_t y = 0; y < height; ++y) {
    const std::size_t above_end = runs_.size();
    const std::size_t count = nonzero_words(rows.row(static_cast<std::size_t>(y)),
                                            static_cast<std::size_t>(width), words_);
    for_each_run(std::span<const Word>(words_).first(count), width,
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
  constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
  std::uint32_t root = none;
  while (above < above_end && runs_[above].end + reach <= run.begin) ++above;
  for (std::size_t i = above; i < above_end && runs_[i].begin < run.end + reach; ++i) {
    const std::uint32_t other = root_of(runs_[i].component);
    root = root == none ? other : join(root, other);
    above = i;  // the last one may touch the next run of this row, too
  }
  if (root == none) {
    root = static_cast<std::uint32_t>(components_.size());
    components_.push_back({.box = {run.row, run.begin, run.row, run.end - 1}});
    links_.push_back(root);
  }
  run.component = root;
  components_[root].add(run);
  runs_.push_back(run);
}

// The earlier of two components stays, so that they are numbered by their first pixels.
std::uint32_t ConnectedComponents::join(std::uint32_t a, std::uint32_t b) {
  if (a == b) return a;
  const auto [stays, goes] = std::minmax(a, b);
  links_[goes] = stays;
  components_[stays].add(components_[goes]);
  joined_ = true;
  return stays;
}

std::uint32_t ConnectedComponents::root_of(std::uint32_t component) {
  while (links_[component] != component) {
    std::uint32_t& link = links_[component];
    link = links_[link];
    component = link;
  }
  return component;
}

// Closes the gaps that joined components have left.
void ConnectedComponents::number_components() {
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < components_.size(); ++i) {
    // Links lead to earlier components, whose links have become their numbers by now.
    if (links_[i] == i) {
      components_[count] = components_[i];
      links_[i] = count++;
    } else {
      links_[i] = links_[links_[i]];
    }
  }
  components_.resize(count);
  for (PixelRun& run : runs_) run.component = links_[run.component];
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
  const std::size_t kept =
      (runs_.capacity() + grouped_.capacity()) * sizeof(PixelRun) +
      components_.capacity() * sizeof(Component) + words_.capacity() * sizeof(Word) +
      (row_begin_.capacity() + component_begin_.capacity() + links_.capacity()) * 4;
  if (kept > bytes) *this = ConnectedComponents();
}

}  // namespace pnflow
