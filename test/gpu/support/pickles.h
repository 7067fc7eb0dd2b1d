#pragma once

#include <cstring>
#include <string>
#include <vector>

namespace pnflow::test {

using namespace std::string_literals;

// Pieces of a pickle of protocol 2.
inline const std::string start = "\x80\x02";

inline std::string text(const std::string& value) {
  return "X" + std::string{static_cast<char>(value.size())} + "\0\0\0"s + value;
}

inline std::string number(int value) {
  std::string code = "J1234";
  std::memcpy(code.data() + 1, &value, sizeof value);
  return code;
}

inline std::string numbers(const std::vector<int>& values) {
  std::string code = "(";
  for (const int value : values) code += number(value);
  return code + "t";
}

inline std::string storage(const std::string& type, int values, const std::string& name = "0") {
  return "(" + text("storage") + "ctorch\n" + type + "\n" + text(name) + text("cpu") +
         number(values) + "tQ";
}

inline std::string tensor(int first, const std::vector<int>& shape, const std::vector<int>& strides,
                          int values = 6, const std::string& name = "0") {
  return "ctorch._utils\n_rebuild_tensor_v2\n(" + storage("FloatStorage", values, name) +
         number(first) + numbers(shape) + numbers(strides) + "\x89" +
         "ccollections\nOrderedDict\n)R" + "tR";
}

inline std::string dictionary(const std::string& name, const std::string& value) {
  return "}" + text(name) + value + "s";
}

}  // namespace pnflow::test
