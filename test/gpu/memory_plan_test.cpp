#include "gpu/peaknet/memory_plan.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <stdexcept>

using namespace pnflow;

namespace {

// No two results that are alive in the same step share a byte, and all lie in the block.
bool sound(const std::vector<Lifetime>& lives, const MemoryPlan& plan) {
  for (std::size_t i = 0; i < lives.size(); ++i) {
    if (plan.offsets[i] % MemoryPlan::alignment != 0) return false;
    if (plan.offsets[i] + lives[i].bytes > plan.bytes) return false;
    for (std::size_t j = 0; j < i; ++j) {
      const bool alive = lives[i].first <= lives[j].last && lives[j].first <= lives[i].last;
      const bool apart = plan.offsets[i] + lives[i].bytes <= plan.offsets[j] ||
                         plan.offsets[j] + lives[j].bytes <= plan.offsets[i];
      if (alive && !apart) return false;
    }
  }
  return true;
}

// The most that is alive in one step: no plan can do with less.
std::size_t least_memory(const std::vector<Lifetime>& lives) {
  std::size_t most = 0;
  for (const Lifetime& at : lives) {  // the most is reached where something begins
    std::size_t alive = 0;
    for (const Lifetime& life : lives) {
      if (life.first <= at.first && at.first <= life.last) alive += MemoryPlan::room_of(life.bytes);
    }
    most = std::max(most, alive);
  }
  return most;
}

}  // namespace

TEST_CASE("results take turns in a chain, of which two are alive at a time") {
  std::vector<Lifetime> chain;
  for (std::size_t i = 0; i < 20; ++i) chain.push_back({1 << 20, i, i + 1});
  const MemoryPlan plan = plan_memory(chain);
  CHECK(sound(chain, plan));
  CHECK(plan.bytes == std::size_t{2} << 20);
}

TEST_CASE("what is read at the end keeps its place, and others go around it") {
  const std::vector<Lifetime> lives{{1000, 0, 9}, {5000, 1, 2}, {300, 2, 3}, {5000, 3, 4},
                                    {10, 0, 0},   {0, 4, 9},    {7000, 9, 9}};
  const MemoryPlan plan = plan_memory(lives);
  CHECK(sound(lives, plan));
  CHECK(plan.bytes == least_memory(lives));
}

TEST_CASE("a plan for any lives is sound, and seldom much larger than it must be") {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    std::vector<Lifetime> lives(1 + random() % 60);
    for (Lifetime& life : lives) {
      life.bytes = random() % 100'000;
      life.first = random() % 100;
      life.last = life.first + random() % 10;
    }
    const MemoryPlan plan = plan_memory(lives);
    CHECK(sound(lives, plan));
    CHECK(plan.bytes >= least_memory(lives));
    CHECK(plan.bytes <= 2 * least_memory(lives));
  }
}

TEST_CASE("a plan for nothing needs nothing, and a life must not end before it begins") {
  CHECK(plan_memory({}).bytes == 0);
  CHECK(least_memory({}) == 0);
  const std::vector<Lifetime> wrong{{1, 2, 1}};
  CHECK_THROWS_AS(plan_memory(wrong), std::invalid_argument);
}
