#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

namespace pnflow {

// One NUMA node of the machine.
struct NumaNode {
  int number = 0;
  std::vector<int> cpus;  // ascending
  bool memory = true;     // this process may take memory from it
};

// The machine, as the thread that asks may use it.
struct NumaMachine {
  std::vector<NumaNode> nodes;        // fewer than two: there is nothing to choose between
  std::vector<int> cpus;              // on which the thread may run, ascending
  bool memory_may_be_placed = false;  // no: whoever started pnflow has placed it, or forbids it
};

// Where one device's pipeline has its threads and its own pinned memory.
struct DevicePlacement {
  int node = -1;            // the device's; -1: unknown, or there is one only
  std::vector<int> cpus;    // for the threads; empty: they stay where they are
  std::vector<int> memory;  // the node of the buffers; empty: the system's choice
};

struct Placement {
  std::vector<DevicePlacement> devices;
  // Nodes that the pool's memory, which serves all devices, comes from in turn; empty: the system's
  // choice.
  std::vector<int> memory;
};

// Everything near the device that it serves. `nodes` are the nodes of the devices, -1: unknown.
Placement decide_placement(const NumaMachine& machine, const std::vector<int>& nodes);

// One line about it for the log, with the devices' indices; empty: nothing has been placed.
std::string placement_text(const Placement& placement, const std::vector<int>& devices);

// What the kernel says; no nodes where it knows nothing of NUMA. Throws std::bad_alloc.
NumaMachine numa_machine();

// Keeps the calling thread, and those that it starts, on these CPUs; none: changes nothing. A
// failure changes nothing either: the work is done more slowly then.
void run_on(const std::vector<int>& cpus);

// A thread's, as set_mempolicy() takes it.
struct MemoryPolicy {
  static constexpr int most_nodes = 1024;  // that Linux can be built for
  int mode = 0;
  std::array<unsigned long, most_nodes / (8 * sizeof(unsigned long))> nodes{};  // a bit for each
};

// Memory whose pages the calling thread touches first, or has the kernel take, comes from these
// nodes while there is some, from several in turn. None, or a failure: changes nothing.
class MemoryFrom {
 public:
  explicit MemoryFrom(const std::vector<int>& nodes);
  MemoryFrom(const MemoryFrom&) = delete;
  MemoryFrom& operator=(const MemoryFrom&) = delete;
  ~MemoryFrom();

 private:
  std::optional<MemoryPolicy> previous_;  // nothing: it has not been changed
};

}  // namespace pnflow
