#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace pnflow {

// Headers and heaps of the old format, which LCLStreamer writes, carry no checksum, and HDF5 1.10
// believes some of what they say. These look before HDF5 does, at what was found to end in a
// division by zero, in a loop that takes all memory, or in reading behind the end of a message:
//  - one chunk extent for each axis of the dataspace, none of them 0;
//  - types, extents, fill values, compact data and filters that end where their message does;
//  - the free list of a group's heap, which must not lead in circles, and its last name's end.
// Headers of version 2 are left to HDF5, which checks their checksums.
// (HDF5 File Format Specification 3.0, sections II.A, III.C, III.D and IV.A.)
// Throw DataError("damaged metadata"), also for what leads outside the file.

// The root group that the superblock names. `file` begins with a superblock of version 0 to 3 with
// 8-byte addresses.
void check_root_group(std::span<const std::byte> file);

// The object header at `address`.
void check_object_header(std::span<const std::byte> file, std::uint64_t address);

}  // namespace pnflow
