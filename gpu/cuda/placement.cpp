#include "gpu/cuda/placement.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <numa.h>
#include <numaif.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <new>

namespace pnflow {

namespace {

using Bits = std::unique_ptr<bitmask, decltype(&numa_bitmask_free)>;

Bits cpu_bits() {
  Bits bits(numa_allocate_cpumask(), &numa_bitmask_free);
  if (!bits) throw std::bad_alloc();
  return bits;
}

std::vector<int> numbers_of(const Bits& bits) {
  std::vector<int> numbers;
  for (unsigned i = 0; i < bits->size; ++i) {
    if (numa_bitmask_isbitset(bits.get(), i) != 0) numbers.push_back(static_cast<int>(i));
  }
  return numbers;
}

bool get(MemoryPolicy& policy) {
  return get_mempolicy(&policy.mode, policy.nodes.data(), MemoryPolicy::most_nodes + 1, nullptr,
                       0) == 0;
}

bool set(const MemoryPolicy& policy) {
  return set_mempolicy(policy.mode, policy.nodes.data(), MemoryPolicy::most_nodes + 1) == 0;
}

// Some containers forbid to read it, and some to set it, though all that is set here is what there
// is.
bool memory_may_be_placed() {
  MemoryPolicy present;
  return get(present) && present.mode == MPOL_DEFAULT && set(present);
}

// The nodes that memory may come from. libnuma writes to stderr where the kernel does not say.
Bits memory_nodes() {
  MemoryPolicy present;
  Bits bits(get(present) ? numa_get_mems_allowed() : numa_allocate_nodemask(), &numa_bitmask_free);
  if (!bits) throw std::bad_alloc();
  return bits;
}

const NumaNode* find(const NumaMachine& machine, int number) {
  const auto found = std::ranges::find(machine.nodes, number, &NumaNode::number);
  return found == machine.nodes.end() ? nullptr : &*found;
}

DevicePlacement decide_device(const NumaMachine& machine, int number) {
  DevicePlacement placement;
  const NumaNode* node = find(machine, number);
  if (node == nullptr) return placement;
  placement.node = number;
  std::ranges::set_intersection(node->cpus, machine.cpus, std::back_inserter(placement.cpus));
  if (node->memory && machine.memory_may_be_placed) placement.memory = {number};
  return placement;
}

std::string memory_text(const std::vector<int>& nodes) {
  if (nodes.empty()) return "pinned memory stays where the system takes it";
  if (nodes.size() == 1) return fmt::format("pinned memory on node {}", nodes.front());
  return fmt::format("pinned memory on nodes {} in turn", fmt::join(nodes, ", "));
}

}  // namespace

Placement decide_placement(const NumaMachine& machine, const std::vector<int>& nodes) {
  Placement placement;
  placement.devices.resize(nodes.size());
  if (machine.nodes.size() < 2) return placement;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    placement.devices[i] = decide_device(machine, nodes[i]);
    std::ranges::copy(placement.devices[i].memory, std::back_inserter(placement.memory));
  }
  std::ranges::sort(placement.memory);
  placement.memory.erase(std::ranges::unique(placement.memory).begin(), placement.memory.end());
  return placement;
}

std::string placement_text(const Placement& placement, const std::vector<int>& devices) {
  std::string text;
  for (std::size_t i = 0; i < devices.size(); ++i) {
    const DevicePlacement& of = placement.devices[i];
    // Two pipelines may be on one device.
    const bool told = std::ranges::find(devices, devices[i]) != devices.begin() + i;
    if (of.node < 0 || told) continue;
    const std::string threads = of.cpus.empty()
                                    ? "threads stay where they are, as none of its CPUs may be used"
                                    : fmt::format("threads on {} of its CPUs", of.cpus.size());
    text += fmt::format("device {} at node {}, {}; ", devices[i], of.node, threads);
  }
  return text.empty() ? text : "NUMA: " + text + memory_text(placement.memory);
}

NumaMachine numa_machine() {
  NumaMachine machine;
  if (numa_available() < 0) return machine;
  const Bits bits = cpu_bits();
  if (numa_sched_getaffinity(0, bits.get()) < 0) return machine;
  machine.cpus = numbers_of(bits);
  const Bits memory = memory_nodes();
  for (int number = 0; number <= numa_max_node(); ++number) {
    const auto bit = static_cast<unsigned>(number);
    if (numa_bitmask_isbitset(numa_nodes_ptr, bit) == 0) continue;
    if (numa_node_to_cpus(number, bits.get()) != 0) continue;
    machine.nodes.push_back(
        {number, numbers_of(bits), numa_bitmask_isbitset(memory.get(), bit) != 0});
  }
  machine.memory_may_be_placed = memory_may_be_placed();
  return machine;
}

void run_on(const std::vector<int>& cpus) {
  if (cpus.empty()) return;
  const Bits bits = cpu_bits();
  for (const int cpu : cpus) numa_bitmask_setbit(bits.get(), static_cast<unsigned>(cpu));
  static_cast<void>(numa_sched_setaffinity(0, bits.get()));
}

MemoryFrom::MemoryFrom(const std::vector<int>& nodes) {
  MemoryPolicy previous;
  if (nodes.empty() || !get(previous)) return;
  MemoryPolicy policy;
  policy.mode = nodes.size() == 1 ? MPOL_PREFERRED : MPOL_INTERLEAVE;
  constexpr std::size_t bits = 8 * sizeof(policy.nodes[0]);
  for (const int node : nodes) {
    const auto bit = static_cast<std::size_t>(node);
    policy.nodes.at(bit / bits) |= 1UL << (bit % bits);
  }
  if (set(policy)) previous_ = previous;
}

MemoryFrom::~MemoryFrom() {
  if (previous_) set(*previous_);
}

}  // namespace pnflow
