// Decisions for machines that are made up, and what the kernel is told on the one that there is.

#include "gpu/cuda/placement.h"

#include <doctest/doctest.h>
#include <numaif.h>
#include <sched.h>

#include <algorithm>
#include <numeric>
#include <thread>

using namespace pnflow;

namespace {

std::vector<int> from_to(int first, int last) {
  std::vector<int> numbers(static_cast<std::size_t>(last - first + 1));
  std::iota(numbers.begin(), numbers.end(), first);
  return numbers;
}

// Two sockets of eight cores, two threads a core, all of it usable.
NumaMachine two_sockets() {
  std::vector<int> first = from_to(0, 7);
  std::vector<int> second = from_to(8, 15);
  for (int cpu = 16; cpu < 24; ++cpu) first.push_back(cpu);
  for (int cpu = 24; cpu < 32; ++cpu) second.push_back(cpu);
  return {.nodes = {{0, first}, {1, second}}, .cpus = from_to(0, 31), .memory_may_be_placed = true};
}

std::vector<int> cpus_of_this_thread() {
  cpu_set_t set;
  REQUIRE(sched_getaffinity(0, sizeof(set), &set) == 0);
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(static_cast<unsigned>(cpu), &set)) cpus.push_back(cpu);
  }
  return cpus;
}

int memory_mode() {
  int mode = -1;
  get_mempolicy(&mode, nullptr, 0, nullptr, 0);
  return mode;
}

}  // namespace

TEST_CASE("threads and memory are placed at the node of the only device") {
  const Placement placement = decide_placement(two_sockets(), {1});
  REQUIRE(placement.devices.size() == 1);
  CHECK(placement.devices[0].cpus == two_sockets().nodes[1].cpus);
  CHECK(placement.devices[0].memory == std::vector{1});
  CHECK(placement.memory == std::vector{1});
  CHECK(placement_text(placement, {3}) ==
        "NUMA: device 3 at node 1, threads on 16 of its CPUs; pinned memory on node 1");
}

TEST_CASE("devices at different nodes have their own threads and share the pool's memory") {
  const Placement placement = decide_placement(two_sockets(), {1, 0, 1});
  CHECK(placement.devices[0].cpus == two_sockets().nodes[1].cpus);
  CHECK(placement.devices[1].cpus == two_sockets().nodes[0].cpus);
  CHECK(placement.devices[1].memory == std::vector{0});
  CHECK(placement.memory == std::vector{0, 1});
  CHECK(placement_text(placement, {0, 1, 0}) ==
        "NUMA: device 0 at node 1, threads on 16 of its CPUs; device 1 at node 0, threads on 16 of "
        "its CPUs; pinned memory on nodes 0, 1 in turn");
}

TEST_CASE("with one node nothing is placed and nothing is said") {
  NumaMachine machine = two_sockets();
  machine.nodes.pop_back();
  for (const NumaMachine& one : {machine, NumaMachine{}}) {
    const Placement placement = decide_placement(one, {0, 0});
    REQUIRE(placement.devices.size() == 2);
    CHECK(placement.devices[1].cpus.empty());
    CHECK(placement.devices[1].memory.empty());
    CHECK(placement.memory.empty());
    CHECK(placement_text(placement, {0, 1}).empty());
  }
}

TEST_CASE("a device whose node is not known is left out") {
  const Placement placement = decide_placement(two_sockets(), {-1, 0, 7});
  CHECK(placement.devices[0].cpus.empty());
  CHECK(placement.devices[2].cpus.empty());
  CHECK(placement.memory == std::vector{0});
  CHECK(placement_text(placement, {0, 1, 2}) ==
        "NUMA: device 1 at node 0, threads on 16 of its CPUs; pinned memory on node 0");
  CHECK(placement_text(decide_placement(two_sockets(), {-1}), {0}).empty());
}

TEST_CASE("threads keep within the CPUs that the process may use") {
  NumaMachine machine = two_sockets();
  machine.cpus = {2, 3, 8, 24, 30};
  const Placement placement = decide_placement(machine, {1, 0});
  CHECK(placement.devices[0].cpus == std::vector{8, 24, 30});
  CHECK(placement.devices[1].cpus == std::vector{2, 3});
}

TEST_CASE("threads that may not run near the device stay where they are, which is said") {
  NumaMachine machine = two_sockets();
  machine.cpus = from_to(0, 7);
  const Placement placement = decide_placement(machine, {1});
  CHECK(placement.devices[0].cpus.empty());
  CHECK(placement.memory == std::vector{1});
  CHECK(placement_text(placement, {0}) ==
        "NUMA: device 0 at node 1, threads stay where they are, as none of its CPUs may be used; "
        "pinned memory on node 1");
}

TEST_CASE("memory that may not be placed, or not there, stays where the system takes it") {
  NumaMachine placed = two_sockets();
  placed.memory_may_be_placed = false;
  NumaMachine forbidden = two_sockets();
  forbidden.nodes[1].memory = false;
  for (const NumaMachine& machine : {placed, forbidden}) {
    const Placement placement = decide_placement(machine, {1});
    CHECK(placement.devices[0].memory.empty());
    CHECK(placement.memory.empty());
    CHECK(placement_text(placement, {0}) ==
          "NUMA: device 0 at node 1, threads on 16 of its CPUs; pinned memory stays where the "
          "system takes it");
  }
}

TEST_CASE("this machine's nodes have CPUs of their own") {
  const NumaMachine machine = numa_machine();
  std::vector<int> all;
  for (const NumaNode& node : machine.nodes) {
    all.insert(all.end(), node.cpus.begin(), node.cpus.end());
  }
  std::ranges::sort(all);
  CHECK(std::ranges::adjacent_find(all) == all.end());
  if (!machine.nodes.empty()) CHECK(std::ranges::includes(all, machine.cpus));
}

TEST_CASE("a thread is kept on its CPUs, others are not") {
  const std::vector<int> before = cpus_of_this_thread();
  std::vector<int> inside;
  std::thread([&] {
    run_on({});
    CHECK(cpus_of_this_thread() == before);
    run_on({before.back()});
    inside = cpus_of_this_thread();
  }).join();
  CHECK(inside == std::vector{before.back()});
  CHECK(cpus_of_this_thread() == before);
}

TEST_CASE("the policy of memory is another one for a while") {
  const NumaMachine machine = numa_machine();
  const auto with_memory = std::ranges::find(machine.nodes, true, &NumaNode::memory);
  if (!machine.memory_may_be_placed || with_memory == machine.nodes.end()) return;
  const int node = with_memory->number;
  {
    const MemoryFrom none({});
    CHECK(memory_mode() == MPOL_DEFAULT);
    const MemoryFrom outer({node});
    CHECK(memory_mode() == MPOL_PREFERRED);
    CHECK_FALSE(numa_machine().memory_may_be_placed);  // as when numactl has placed it
    {
      const MemoryFrom inner({node});
      CHECK(memory_mode() == MPOL_PREFERRED);
    }
    CHECK(memory_mode() == MPOL_PREFERRED);
  }
  CHECK(memory_mode() == MPOL_DEFAULT);
}
