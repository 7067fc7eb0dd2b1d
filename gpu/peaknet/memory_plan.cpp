#include "gpu/peaknet/memory_plan.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <stdexcept>

namespace pnflow {

namespace {

bool meet(const Lifetime& a, const Lifetime& b) { return a.first <= b.last && b.first <= a.last; }

struct Place {
  std::size_t begin, end;
};

// The lowest place of that size between those that are taken.
std::size_t lowest_gap(std::vector<Place>& taken, std::size_t room) {
  std::ranges::sort(taken, {}, &Place::begin);
  std::size_t free_from = 0;
  for (const Place& place : taken) {
    if (place.begin >= free_from + room) break;
    free_from = std::max(free_from, place.end);
  }
  return free_from;
}

}  // namespace

MemoryPlan plan_memory(std::span<const Lifetime> lifetimes) {
  for (const Lifetime& life : lifetimes) {
    if (life.last < life.first) throw std::invalid_argument("a life that ends before it begins");
  }
  std::vector<std::size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater<>{},
                           [&](std::size_t i) { return lifetimes[i].bytes; });
  MemoryPlan plan;
  plan.offsets.resize(lifetimes.size());
  std::vector<std::size_t> placed;
  for (const std::size_t i : order) {
    const std::size_t room = MemoryPlan::room_of(lifetimes[i].bytes);
    std::vector<Place> taken;
    for (const std::size_t other : placed) {
      if (!meet(lifetimes[i], lifetimes[other])) continue;
      taken.push_back(
          {plan.offsets[other], plan.offsets[other] + MemoryPlan::room_of(lifetimes[other].bytes)});
    }
    plan.offsets[i] = lowest_gap(taken, room);
    plan.bytes = std::max(plan.bytes, plan.offsets[i] + room);
    placed.push_back(i);
  }
  return plan;
}

}  // namespace pnflow
