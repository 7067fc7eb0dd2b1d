#pragma once

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

// "unknown key 'min_sf'", with what was meant where a known key is near.
std::string unknown_panel_key(std::string_view key);
std::string unknown_detector_key(std::string_view key);
std::string unknown_bad_region_key(std::string_view key);

}  // namespace pnflow::crystfel
