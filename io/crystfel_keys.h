#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "io/crystfel_draft.h"

// The keys of a CrystFEL geometry file: where each value goes. The functions are false for a key
// that they do not know, and throw RunError for a value that is not right for it.
namespace pnflow::crystfel {

// Keys of a panel, which also give the defaults of panels that begin later.
bool set_panel_key(PanelDraft& draft, std::string_view key, std::string_view value);

// Keys of the whole detector, groups apart.
bool set_detector_key(CrystfelGeometry& geometry, std::string_view key, std::string_view value);

bool set_bad_region_key(BadRegionDraft& draft, std::string_view key, std::string_view value);

// "mask3_badbits" is badbits of mask 3, and "mask", "mask_bad" and their like are of mask 0: the
// number and what is left; nothing for a key of no mask.
struct MaskKey {
  std::size_t number = 0;
  std::string_view key;  // data, file, good, bad, goodbits or badbits
};
std::optional<MaskKey> mask_key(std::string_view key);

// The number of "dim2" and its like, below HDF5's limit of 32.
std::optional<std::size_t> dim_number(std::string_view key);

// "unknown key 'min_sf'", with what was meant where a known key is near.
std::string unknown_panel_key(std::string_view key);
std::string unknown_detector_key(std::string_view key);
std::string unknown_bad_region_key(std::string_view key);

}  // namespace pnflow::crystfel
