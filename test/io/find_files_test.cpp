#include "io/find_files.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <fstream>

#include "graph/error.h"
#include "test/support/scratch_directory.h"

namespace pnflow {
namespace {

TEST_CASE("files are found by name and by pattern, sorted within each pattern") {
  const test::ScratchDirectory directory;
  const std::string base = directory.path().string() + "/";
  for (const char* name : {"b.bin", "a.bin", "c.tar", "odd[1].bin"})
    std::ofstream(base + name) << 1;
  using Names = std::vector<std::string>;
  CHECK(find_files({base + "c.tar", base + "?.bin"}) ==
        Names{base + "c.tar", base + "a.bin", base + "b.bin"});
  CHECK(find_files({base + "odd[1].bin"}) == Names{base + "odd[1].bin"});
  CHECK(find_files({}).empty());
}

TEST_CASE("what is not a file that can be read is named") {
  const test::ScratchDirectory directory;
  const std::string base = directory.path().string() + "/";
  std::filesystem::create_directory(base + "d");
  CHECK_THROWS_WITH_AS(find_files({base + "*.bin"}),
                       ("no file is called '" + base + "*.bin'").c_str(), RunError);
  CHECK_THROWS_WITH_AS(find_files({base + "d"}), ("'" + base + "d' is not a file").c_str(),
                       RunError);
  std::ofstream(base + "secret") << 1;
  std::filesystem::permissions(base + "secret", std::filesystem::perms::none);
  if (::geteuid() == 0) return;  // to root everything is readable
  CHECK_THROWS_WITH_AS(find_files({base + "secret"}),
                       ("'" + base + "secret' cannot be read: Permission denied").c_str(),
                       RunError);
}

}  // namespace
}  // namespace pnflow
