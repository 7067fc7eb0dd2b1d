#include "gpu/peaknet/tensor_pickle.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "graph/error.h"
#include "test/gpu/support/pickles.h"

using namespace pnflow;
using namespace pnflow::test;
using namespace std::string_literals;

namespace {

std::map<std::string, PickledTensor> parsed(const std::string& pickle) {
  // A copy of exactly this size, so that a sanitizer sees what is read behind its end.
  std::vector<std::byte> copy(pickle.size());
  std::memcpy(copy.data(), pickle.data(), pickle.size());
  return parse_tensor_pickle(copy, "some.pt");
}

void check_fault(const std::string& pickle, const std::string& fault) {
  CAPTURE(fault);
  CHECK_THROWS_WITH_AS(parsed(start + pickle), doctest::Contains(fault.c_str()), RunError);
  CHECK_THROWS_WITH_AS(parsed(start + pickle), doctest::Contains("'some.pt'"), RunError);
}

std::vector<float> values_of(const std::string& pickle) {
  const std::vector<float> storage{0, 1, 2, 3, 4, 5};
  const PickledTensor tensor = parsed(start + pickle + ".").at("a");
  CHECK(tensor.storage_values == storage.size());
  return floats_of(tensor_of(tensor, std::as_bytes(std::span(storage)), nullptr));
}

}  // namespace

TEST_CASE("tensors are found in the dictionary and under the usual keys") {
  const std::string a = dictionary("a", tensor(2, {1, 3}, {3, 1}));
  for (const std::string& pickle :
       {a, dictionary("model", a), dictionary("state_dict", a), dictionary("model_state", a),
        dictionary("model", dictionary("state_dict", a)),
        "}(" + text("epoch") + "K\7" + text("model") + a + text("x") + "N" + "u"}) {
    const auto tensors = parsed(start + pickle + ".");
    REQUIRE(tensors.size() == 1);
    const PickledTensor& tensor = tensors.at("a");
    CHECK(tensor.type == WeightType::f32);
    CHECK(tensor.storage == "0");
    CHECK(tensor.storage_values == 6);
    CHECK(tensor.first == 2);
    CHECK(tensor.shape == Shape{1, 3});
    CHECK(tensor.strides == Shape{3, 1});
  }
}

TEST_CASE("a tensor comes in C order, however it lies in its storage") {
  const auto of = [](const std::string& tensor) { return values_of(dictionary("a", tensor)); };
  CHECK(of(tensor(0, {2, 3}, {3, 1})) == std::vector<float>{0, 1, 2, 3, 4, 5});
  CHECK(of(tensor(0, {3, 2}, {1, 3})) == std::vector<float>{0, 3, 1, 4, 2, 5});
  CHECK(of(tensor(1, {2}, {4})) == std::vector<float>{1, 5});
  CHECK(of(tensor(5, {}, {})) == std::vector<float>{5});
  CHECK(of(tensor(0, {3}, {0})) == std::vector<float>{0, 0, 0});
  CHECK(of(tensor(3, {1, 3, 1}, {0, 1, 77})) == std::vector<float>{3, 4, 5});
  CHECK(of(tensor(6, {0, 3}, {9, 9})).empty());
}

TEST_CASE("a tensor that is not within its storage is refused") {
  const auto fault = [](const std::string& tensor, const std::string& text) {
    check_fault(dictionary("a", tensor) + ".", text);
  };
  const std::string outside = "does not lie in its storage of 6 values";
  fault(tensor(0, {7}, {1}), outside);
  fault(tensor(1, {2, 3}, {3, 1}), outside);
  fault(tensor(6, {}, {}), outside);
  fault(tensor(0, {2}, {6}), outside);
  fault(tensor(0, {7}, {0}), outside);
  fault(tensor(0, {1 << 30, 1 << 30, 1 << 30}, {0, 0, 0}), outside);
  fault(tensor(0, {3, 3}, {1 << 30, 1 << 30}), outside);
  fault(tensor(0, {2}, {}), "strides for other axes");
  fault(tensor(0, {-2}, {1}), "no tuple of whole numbers");
  fault(tensor(0, {2}, {-1}), "no tuple of whole numbers");
  fault(tensor(-1, {2}, {1}), "not described as torch.save does");
  fault(tensor(0, {2}, {1}, -6), "not described as torch.save does");
  fault(tensor(0, std::vector<int>(65, 1), std::vector<int>(65, 1)), "more than 64 axes");
  fault(storage("QUInt8Storage", 3), "\"torch.QUInt8Storage\", whose type is not known");
}

TEST_CASE("whatever is no tensor is refused by name, and not made") {
  check_fault("cos\nsystem\n" + text("ls") + "\x85R.", "it has an object \"os.system\"");
  check_fault("cpeaknet\nPeakNet\n)\x81}b.", "it has an object \"peaknet.PeakNet\"");
  check_fault(dictionary("a", "K\1") + ".", "its entry \"a\" is no tensor");
  check_fault("}K\1" + tensor(0, {1}, {1}) + "s.", "whose name is no text");
  check_fault("].", "it is no dictionary");
  check_fault("N.", "it is no dictionary");
  CHECK(parsed(start + "}.").empty());
}

TEST_CASE("a pickle that makes no sense is refused where it stops making some") {
  check_fault("", "truncated (byte 2 of its pickle)");
  check_fault("X\xff\xff\xff\xff", "truncated");
  check_fault("cno line", "truncated");
  check_fault(".", "a value is missing");
  check_fault("}(s.", "a value is missing");
  check_fault("}(.", "a value is missing");
  check_fault("t.", "a mark is missing");
  check_fault("}(K\1u.", "items for something that has none of this kind");
  check_fault(
      "}K\1"
      "a.",
      "items for something that has none of this kind");
  check_fault("h\5.", "not there to be repeated");
  check_fault("}r\xff\xff\xff\xff.", "under a wild number");
  check_fault("i.", "opcode 0x69, which no state dict needs");
  check_fault("K\1K\2R.", "a tuple of arguments is expected");
  check_fault("K\1Q.", "a storage is expected");
  check_fault(")Q.", "a storage is not described");
  check_fault("K\1}b.", "attributes");
  check_fault("ctorch._utils\n_rebuild_tensor_v2\n)R.", "a tensor is not described");
  CHECK_THROWS_WITH_AS(parsed("\x80\x04}."), doctest::Contains("pickle protocol 4"), RunError);
}

TEST_CASE("values may refer to each other in circles") {
  // A list that holds itself, and lists as deep as they are many.
  CHECK_THROWS_AS(parsed(start + "]q\0h\0a."s), RunError);
  std::string deep = start;
  for (int i = 0; i < 100'000; ++i) deep += "]";
  for (int i = 0; i < 99'999; ++i) deep += "a";
  CHECK_THROWS_AS(parsed(deep + "."), RunError);
}
