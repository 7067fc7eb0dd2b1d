#include "io/cxi_file.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <fstream>
#include <iterator>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "graph/error.h"
#include "io/atomic_file.h"
#include "io/crystfel_skeleton.h"
#include "io/cxi_run_files.h"
#include "test/support/file_size_limit.h"
#include "test/support/read_h5.h"
#include "test/support/scratch_directory.h"

namespace pnflow {
namespace {

using test::FileSizeLimit;
using test::H5Reader;
using test::ScratchDirectory;

constexpr CxiFormat two_panels = {.dtype = DType::u16,
                                  .panels = 2,
                                  .height = 30,
                                  .width = 40,
                                  .compression = {CxiCompression::Kind::gzip, 1}};

std::vector<std::uint16_t> pixels_of(std::size_t event, const CxiFormat& format) {
  std::vector<std::uint16_t> pixels(format.rows() * format.width);
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<std::uint16_t>(i * 7 + event * 1000);
  }
  return pixels;
}

CxiEvent event_number(std::size_t event, const CxiFormat& format) {
  CxiEvent result;
  result.image = make_cxi_chunk(array_of(*heap_pool(), pixels_of(event, format)), format);
  result.timestamp = 100 + event;
  result.photon_energy = 9000.0 + static_cast<double>(event);
  result.encoder = 0.5F;
  return result;
}

AtomicFile new_file(const std::filesystem::path& path) {
  auto file = AtomicFile::create(path);
  REQUIRE(file);
  return *std::move(file);
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_CASE("a CXI file holds what was appended, cut to the events that came") {
  for (const char* compression : {"none", "gzip", "gzip:6"}) {
    const ScratchDirectory directory;
    CxiFormat format = two_panels;
    format.compression = parse_cxi_compression(compression).value();
    const auto path = directory.path() / "a.cxi";
    {
      CxiFile file(new_file(path), format, {"run 7", "{\"window\":4}"}, 10, {});
      for (std::size_t i = 0; i < 3; ++i) {
        CxiEvent event = event_number(i, format);
        if (i == 1)
          event.peaks = {{1.5F, 2}, {33, 4.25F}, {5, 6}, {7, 8}, {9, 10}, {11, 12}, {1, 0}};
        file.append(std::move(event));
      }
      CHECK(directory.names() == std::vector<std::string>{"a.cxi.partial"});
      file.commit();
    }
    CHECK(directory.names() == std::vector<std::string>{"a.cxi"});

    const H5Reader read(path);
    CHECK(read.shape(cxi_path::data) == std::vector<hsize_t>{3, 60, 40});
    CHECK(read.chunk(cxi_path::data) == std::vector<hsize_t>{1, 60, 40});
    CHECK(read.filters(cxi_path::data) ==
          (compression == std::string("none") ? std::vector<int>{} : std::vector<int>{2, 1}));
    std::vector<std::uint16_t> all;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto pixels = pixels_of(i, format);
      all.insert(all.end(), pixels.begin(), pixels.end());
    }
    CHECK(read.read<std::uint16_t>(cxi_path::data) == all);
    const std::string results = cxi_path::results;
    CHECK(read.read<std::int32_t>(results + "/nPeaks") == std::vector<std::int32_t>{0, 2, 0});
    CHECK(read.shape(results + "/peakXPosRaw") == std::vector<hsize_t>{3, 2});
    CHECK(read.read<float>(results + "/peakXPosRaw") == std::vector<float>{0, 0, 1.5F, 2, 0, 0});
    CHECK(read.read<float>(results + "/peakYPosRaw") == std::vector<float>{0, 0, 33, 4.25F, 0, 0});
    CHECK(read.read<float>(results + "/peakTotalIntensity") ==
          std::vector<float>{0, 0, 5, 6, 0, 0});
    CHECK(read.read<float>(results + "/peakMaximumValue") == std::vector<float>{0, 0, 7, 8, 0, 0});
    CHECK(read.read<float>(results + "/peakSNR") == std::vector<float>{0, 0, 9, 10, 0, 0});
    CHECK(read.read<std::int32_t>(results + "/peakNPixels") ==
          std::vector<std::int32_t>{0, 0, 11, 12, 0, 0});
    CHECK(read.read<std::int32_t>(results + "/peakSegPosRaw") ==
          std::vector<std::int32_t>{0, 0, 1, 0, 0, 0});
    CHECK(read.read<double>(cxi_path::photon_energy) == std::vector<double>{9000, 9001, 9002});
    CHECK(read.read<std::uint64_t>(cxi_path::timestamp) ==
          std::vector<std::uint64_t>{100, 101, 102});
    CHECK(read.read<float>(cxi_path::encoder) == std::vector<float>{0.5F, 0.5F, 0.5F});
    CHECK(read.text_attribute("/", "pnflow_run") == "run 7");
    CHECK(read.text_attribute("/", "pnflow_config") == "{\"window\":4}");
    CHECK(read.text_attribute("/", "pnflow_version") == PNFLOW_VERSION);
    CHECK(read.integer_attribute(cxi_path::data, "normalized") == 0);
    CHECK(read.integer_attribute(cxi_path::data, "panels") == 2);
    CHECK_FALSE(read.has(cxi_path::mask));
    CHECK_FALSE(read.has(results + "/segmentation_map"));
  }
}

TEST_CASE("peak lists of a file without any peak are one column wide") {
  const ScratchDirectory directory;
  const auto path = directory.path() / "a.cxi";
  CxiFile file(new_file(path), two_panels, {"r", "{}"}, 2, {});
  file.append(event_number(0, two_panels));
  file.commit();
  const H5Reader read(path);
  CHECK(read.shape("/entry_1/result_1/peakXPosRaw") == std::vector<hsize_t>{1, 1});
  CHECK(read.read<float>("/entry_1/result_1/peakTotalIntensity") == std::vector<float>{0});
}

TEST_CASE("mask, normalisation and debug images are stored when there are any") {
  const ScratchDirectory directory;
  const auto path = directory.path() / "a.cxi";
  CxiFormat format = two_panels;
  format.normalized = format.segmap = format.logits = true;
  std::vector<std::uint8_t> mask(60 * 40, 0);
  mask[81] = 1;
  CxiFile file(new_file(path), format, {"r", "{}"}, 1, mask);
  CxiEvent event = event_number(0, format);
  event.segmap = make_cxi_chunk(array_of(*heap_pool(), mask), format);
  const std::vector<float> low(60 * 40, -1.5F), high(60 * 40, 2.5F);
  event.logits = {make_cxi_chunk(array_of(*heap_pool(), low), format),
                  make_cxi_chunk(array_of(*heap_pool(), high), format)};
  file.append(std::move(event));
  CHECK(file.full());
  file.commit();
  const H5Reader read(path);
  CHECK(read.shape(cxi_path::mask) == std::vector<hsize_t>{60, 40});
  CHECK(read.read<std::uint8_t>(cxi_path::mask) == mask);
  CHECK(read.integer_attribute(cxi_path::data, "normalized") == 1);
  CHECK(read.shape("/entry_1/result_1/segmentation_map") == std::vector<hsize_t>{1, 60, 40});
  CHECK(read.read<std::uint8_t>("/entry_1/result_1/segmentation_map") == mask);
  CHECK(read.read<float>("/entry_1/result_1/logit_map_class0") == low);
  CHECK(read.read<float>("/entry_1/result_1/logit_map_class1") == high);
}

TEST_CASE("a configuration larger than an HDF5 object header fits into the attributes") {
  const ScratchDirectory directory;
  const auto path = directory.path() / "a.cxi";
  const std::string config(200'000, 'x');
  CxiFile file(new_file(path), two_panels, {"r", config}, 1, {});
  file.append(event_number(0, two_panels));
  file.commit();
  CHECK(H5Reader(path).text_attribute("/", "pnflow_config") == config);
}

TEST_CASE("a file that cannot be written says path and cause, and stays partial") {
  const ScratchDirectory directory;
  CxiFormat format = two_panels;
  format.compression = {};
  const auto path = directory.path() / "a.cxi";
  for (int attempt = 0; attempt < 3; ++attempt) {
    std::filesystem::remove(path.string() + ".partial");
    const FileSizeLimit limit(16'000);  // three images of 4,800 bytes, not four
    CxiFile file(new_file(path), format, {"r", "{}"}, 100, {});
    std::string what;
    try {
      for (std::size_t i = 0; i < 100; ++i) file.append(event_number(i, format));
    } catch (const DataError& error) {
      CHECK(error.reason() == "write");
      what = error.what();
    }
    CHECK(what.find((path.string() + ".partial").c_str()) != std::string::npos);
    CHECK(what.find("File too large") != std::string::npos);
    CHECK(file.events() >= 1);
    CHECK(file.events() <= 3);
    CHECK_THROWS_AS(file.commit(), DataError);
  }
  CHECK(directory.names() == std::vector<std::string>{"a.cxi.partial"});
  // HDF5 is as usable as before.
  CxiFile file(new_file(directory.path() / "b.cxi"), format, {"r", "{}"}, 1, {});
  file.append(event_number(0, format));
  file.commit();
  CHECK(H5Reader(directory.path() / "b.cxi").read<std::uint16_t>(cxi_path::data) ==
        pixels_of(0, format));
}

TEST_CASE("a disk that is full only at the end fails the commit") {
  const ScratchDirectory directory;
  CxiFormat format = two_panels;
  format.compression = {};
  CxiFile file(new_file(directory.path() / "a.cxi"), format, {"r", "{}"}, 2, {});
  file.append(event_number(0, format));
  const FileSizeLimit limit(4'000);
  CHECK_THROWS_WITH_AS(file.commit(), doctest::Contains("File too large"), DataError);
  CHECK(directory.names() == std::vector<std::string>{"a.cxi.partial"});
}

TEST_CASE("a file without events leaves nothing behind") {
  const ScratchDirectory directory;
  { const CxiFile file(new_file(directory.path() / "a.cxi"), two_panels, {"r", "{}"}, 2, {}); }
  CHECK(directory.names().empty());
}

TEST_CASE("an existing name is neither taken nor replaced") {
  const ScratchDirectory directory;
  const auto path = directory.path() / "a.txt";
  CHECK(write_new_file(path, "first"));
  CHECK_FALSE(AtomicFile::create(path));
  CHECK_FALSE(write_new_file(path, "second"));
  CHECK(text_of(path) == "first");

  // Somebody takes the name while the file is being written.
  const auto late = directory.path() / "b.txt";
  {
    AtomicFile file = new_file(late);
    CHECK_FALSE(AtomicFile::create(late));
    file.keep();
    append_to_file(late, "theirs", true);
    CHECK_THROWS_WITH_AS(file.commit(), doctest::Contains("File exists"), DataError);
  }
  CHECK(text_of(late) == "theirs");
  CHECK(directory.names() == std::vector<std::string>{"a.txt", "b.txt", "b.txt.partial"});
}

CxiRunFiles::Settings settings(const ScratchDirectory& directory, std::string node,
                               std::string name = "run_{index}") {
  return {.directory = directory.path(),
          .name = std::move(name),
          .node = std::move(node),
          .json = "{\"run\": 1}\n",
          .origin = {"run", "{}"}};
}

TEST_CASE("two writers of one run in one directory do not meet") {
  const ScratchDirectory directory;
  CxiRunFiles first(settings(directory, "cxi")), second(settings(directory, "other")),
      third(settings(directory, "other"));
  AtomicFile a = first.next(), b = second.next(), c = first.next(), d = third.next();
  CHECK(a.path().filename() == "run_00000.cxi");
  CHECK(b.path().filename() == "run-other_00000.cxi");
  CHECK(c.path().filename() == "run_00001.cxi");
  CHECK(d.path().filename() == "run-other.2_00000.cxi");
}

TEST_CASE("closed files are listed with a geometry for each shape of image") {
  const ScratchDirectory directory;
  CxiRunFiles files(settings(directory, "cxi"));
  CHECK(directory.names().empty());
  (void)files.next();
  CxiFormat other = two_panels;
  other.width = 50;
  files.closed({.path = "/x/run_00000.cxi", .format = two_panels, .events = 1, .mask = {}},
               "theirs");
  files.closed({.path = "/x/run_00001.cxi", .format = other, .events = 1, .mask = {}}, "other");
  files.closed({.path = "/x/run_00002.cxi", .format = two_panels, .events = 1, .mask = {}},
               "theirs");
  CHECK(text_of(directory.path() / "run.lst") == "/x/run_00000.cxi\n/x/run_00002.cxi\n");
  CHECK(text_of(directory.path() / "run-2.lst") == "/x/run_00001.cxi\n");
  CHECK(text_of(directory.path() / "run.json") == "{\"run\": 1}\n");
  CHECK(text_of(directory.path() / "run.geom") == "theirs");
  CHECK(text_of(directory.path() / "run-2.geom") == "other");
}

TEST_CASE("what does not fit into the list stands there when there is room again") {
  const ScratchDirectory directory;
  CxiRunFiles files(settings(directory, "cxi"));
  (void)files.next();
  const auto part = [](const char* path) {
    return CxiPart{.path = path, .format = two_panels, .events = 1, .mask = {}};
  };
  {
    const FileSizeLimit limit(10);
    CHECK_THROWS_AS(files.closed(part("/x/run_00000.cxi"), "g"), DataError);
  }
  files.closed(part("/x/run_00001.cxi"), "g");
  CHECK(text_of(directory.path() / "run.lst") == "/x/run_00000.cxi\n/x/run_00001.cxi\n");
  {
    const FileSizeLimit limit(40);
    CHECK_THROWS_AS(files.closed(part("/x/run_00002.cxi"), "g"), DataError);
    CHECK(text_of(directory.path() / "run.lst") == "/x/run_00000.cxi\n/x/run_00001.cxi\n");
  }
  files.catch_up();
  CHECK(text_of(directory.path() / "run.lst") ==
        "/x/run_00000.cxi\n/x/run_00001.cxi\n/x/run_00002.cxi\n");
  CHECK(directory.names() ==
        std::vector<std::string>{"run.geom", "run.json", "run.lst", "run_master.cxi"});
}

TEST_CASE("files are called by their pattern, and the rest by what is left without the number") {
  for (const auto& [pattern, file, json] :
       {std::tuple("shot.{index}", "shot.00000.cxi", "shot.json"),
        {"{index}_a", "00000_a.cxi", "a.json"},
        {"a-{index}-b", "a-00000-b.cxi", "a-b.json"},
        {"a{index}", "a00000.cxi", "a.json"}}) {
    const ScratchDirectory directory;
    CxiRunFiles files(settings(directory, "cxi", pattern));
    CHECK(files.next().path().filename() == file);
    CHECK(directory.names() == std::vector<std::string>{json});
    // Where that name is taken.
    CxiRunFiles again(settings(directory, "cxi", pattern));
    CHECK(again.next().path().filename().string().find("-cxi") != std::string::npos);
  }
  for (const char* pattern : {"run", "{index}", "_{index}", "{index}_{index}", "a/{index}"}) {
    CHECK_FALSE(CxiRunFiles::name_fault(pattern).empty());
  }
  CHECK(CxiRunFiles::name_fault("{run}_{index}").empty());
}

TEST_CASE("the geometry skeleton names our paths and has each module's range") {
  const std::string text = crystfel_skeleton(two_panels, true);
  for (const char* line :
       {"data = /entry_1/data_1/data\n", "dim0 = %\ndim1 = ss\ndim2 = fs\n",
        "peak_list = /entry_1/result_1\npeak_list_type = cxi\n",
        "photon_energy = /LCLS/photon_energy_eV eV\n", "mask = /entry_1/data_1/mask\n",
        "clen = FIXME m\n", "res = FIXME\n", "p1/corner_x = FIXME\n",
        "p0/min_fs = 0\np0/max_fs = 39\np0/min_ss = 0\np0/max_ss = 29\n",
        "p1/min_fs = 0\np1/max_fs = 39\np1/min_ss = 30\np1/max_ss = 59\n"}) {
    CHECK_MESSAGE(text.find(line) != std::string::npos, line);
  }
  CHECK(text.find("p2/") == std::string::npos);
  CHECK(crystfel_skeleton(two_panels, false).find("mask") == std::string::npos);
}

}  // namespace
}  // namespace pnflow
