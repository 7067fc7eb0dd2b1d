#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pnflow {

// Along CrystFEL's laboratory axes: z with the beam, y up, x to the left of who looks along z.
struct LabVector {
  double x = 0, y = 0, z = 0;
};

// Columns (fs) and rows (ss) of the slab, both ends included, as the file writes them.
struct SlabRange {
  std::size_t min_fs = 0, max_fs = 0, min_ss = 0, max_ss = 0;

  std::size_t width() const { return max_fs - min_fs + 1; }
  std::size_t height() const { return max_ss - min_ss + 1; }
  bool contains(std::size_t ss, std::size_t fs) const;
  bool contains(const SlabRange& other) const;
  bool overlaps(const SlabRange& other) const;
};

// A number that the geometry says, or the place in the data file where it stands.
struct GeometryQuantity {
  std::optional<double> value;  // in m, eV or V
  std::string path;             // empty where there is a value
  double scale = 1;             // what stands at `path`, times this, is in m, eV or V
};

// One axis of the data set that a panel's pixels are in.
struct DataAxis {
  enum class Kind { event, ss, fs, fixed };
  Kind kind = Kind::fixed;
  std::size_t index = 0;  // on an axis of kind `fixed`
  friend bool operator==(const DataAxis&, const DataAxis&) = default;
};

struct GeometryMask {
  std::string data, file;  // data set, and its file where it is not the data file
  std::uint64_t good_bits = 0, bad_bits = 0;
};

// A panel of the geometry, which for many detectors is one ASIC of a module.
struct GeometryPanel {
  std::string name;
  SlabRange range;
  LabVector fs, ss;                   // one pixel's step, in pixels
  double corner_x = 0, corner_y = 0;  // outer corner of the first pixel, in pixels
  double res = 0;                     // pixels per metre
  double coffset = 0;                 // along z, added to clen, in metres
  std::string data = "/data/data";    // data set
  std::vector<DataAxis> dims;         // the axes of it
  std::array<GeometryMask, 8> masks;  // without `data`: no such mask
  std::optional<double> adu_per_ev, adu_per_photon, max_adu;
  std::string saturation_map, saturation_map_file;
  bool no_index = false;
};

// Pixels that CrystFEL leaves out: columns and rows of a panel, or a rectangle in the laboratory.
struct BadRegion {
  std::string name;
  std::optional<std::size_t> panel;  // set: `range` says where, in rows of the slab
  SlabRange range;                   // inside of the panel's own
  double min_x = 0, max_x = 0, min_y = 0, max_y = 0;  // in pixels, where there is no panel
};

// Names that belong together, in the file's order.
struct PanelGroup {
  std::string name;
  std::vector<std::string> members;
};

// What a streamed panel is made of: the geometry's panels of one detector module.
struct GeometryModule {
  std::string name;
  SlabRange range;                  // the smallest that holds all of them
  std::vector<std::size_t> panels;  // of the geometry, in its order
};

// What a CrystFEL geometry file says: load_crystfel_geometry() reads one (io/crystfel_parser.h).
// All functions are thread-safe.
struct CrystfelGeometry {
  std::string file;                   // for messages
  std::vector<GeometryPanel> panels;  // in the file's order, at least one
  std::vector<BadRegion> bad_regions;
  // `groups` have panels and earlier groups as members; a rigid group has panels, a collection
  // rigid groups, but CrystFEL 0.12 ignores both, so that their members may not exist.
  std::vector<PanelGroup> groups, rigid_groups, rigid_group_collections;

  // Each may be absent, though CrystFEL itself wants a camera length and one of the last three.
  std::optional<GeometryQuantity> clen, shift_x, shift_y;
  std::optional<GeometryQuantity> photon_energy, wavelength, electron_voltage;
  std::optional<double> bandwidth;
  std::string peak_list, peak_list_type;

  // The place of a name in `panels`.
  std::optional<std::size_t> find(const std::string& name) const;

  // The panel that has this pixel of the slab; nothing in gaps and outside. Looks at every panel.
  std::optional<std::size_t> panel_at(std::size_t ss, std::size_t fs) const;

  // The laboratory position in metres of a point of a panel. `fs` and `ss` are indices from the
  // panel's first pixel, so that 0 is the centre of that pixel and -0.5 its outer edge. z is NaN
  // without a camera length: `camera_length` [m], or else the file's own, if it is a number. A
  // detector shift counts where it is a number.
  LabVector position(std::size_t panel, double fs, double ss,
                     std::optional<double> camera_length = std::nullopt) const;

  // All panels in one image, (rows, columns) per event: throws RunError when they are in several
  // data sets, or in several places of an axis that is neither ss, fs nor the event.
  void require_slab() const;

  // The modules in the order in which their panels are streamed. Panels `p3a0`, `p3a1`, ... are
  // ASICs of the module `p3`; a panel of any other name is a module by itself. Where the modules'
  // names differ in the number at their end only, they are in the order of the numbers, else in
  // the file's. Throws RunError when the panels are no slab, or the ranges of two modules overlap.
  std::vector<GeometryModule> modules() const;
};

// A pixel of the slab.
struct SlabPixel {
  std::size_t ss = 0, fs = 0;  // row, column
};

// Where the slab has pixel (y, x) of streamed panel `panel`: the modules are those of a geometry
// and have this panel and this pixel.
SlabPixel slab_pixel(const std::vector<GeometryModule>& modules, std::size_t panel, std::size_t y,
                     std::size_t x);

// Throws RunError when the modules are not `count` of height x width, with what there is.
void require_modules(const std::vector<GeometryModule>& modules, const std::string& file,
                     std::size_t count, std::size_t height, std::size_t width);

}  // namespace pnflow
