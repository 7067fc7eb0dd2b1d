#include "cli/type_description.h"

#include <fmt/format.h>

#include <iterator>

#include "graph/common_keys.h"
#include "graph/field_fit.h"

namespace pnflow {

namespace {

using Json = nlohmann::ordered_json;

std::string field_text(const FieldSpec& field) {
  std::string text = fmt::format("  {}: {}, {}", field.name, dtypes_text(field), rank_text(field));
  if (field.optional) text += ", optional";
  if (field.when) text += ", depending on parameters";
  text += "\n";
  return field.help.empty() ? text : text + "      " + field.help + "\n";
}

std::string fields_text(std::string_view title, const std::vector<FieldSpec>& fields) {
  if (fields.empty()) return {};
  std::string text = fmt::format("\n{}:\n", title);
  for (const FieldSpec& field : fields) text += field_text(field);
  return text;
}

std::string default_text(const ParamSpec& param, const std::string& text) {
  if (param.required) return "required";
  return text.empty() ? "no default" : "default " + text;
}

std::string param_text(const ParamSpec& param, const std::string& default_value, int depth) {
  const std::string indent(static_cast<std::size_t>(depth) * 4 + 2, ' ');
  std::string text = fmt::format("{}{}: {}", indent, param.name, param.type);
  const auto to = std::back_inserter(text);
  if (!param.short_form.empty()) fmt::format_to(to, ", or its {} alone", param.short_form);
  if (!param.unit.empty()) fmt::format_to(to, " [{}]", param.unit);
  if (!param.range.empty()) fmt::format_to(to, ", {}", param.range);
  if (param.members.empty()) fmt::format_to(to, ", {}", default_text(param, default_value));
  if (param.shared) text += ", or that of the graph's section detector";
  fmt::format_to(to, "\n{}    {}\n", indent, param.help);
  for (const auto& member : param.members)
    text += param_text(*member, member->default_text, depth + 1);
  return text;
}

// The defaults of the common keys depend on the type.
std::string common_default(const NodeType& type, const ParamSpec& key) {
  const CommonKeys keys{default_workers(type), false, type.spec.default_on_error,
                        type.spec.default_observer};
  return value_text(key.show(&keys));
}

Json fields_json(const std::vector<FieldSpec>& fields) {
  Json list = Json::array();
  for (const FieldSpec& field : fields) {
    Json dtypes = Json::array();
    for (const DType dtype : field.dtypes) dtypes.push_back(name_of(dtype));
    list.push_back({{"name", field.name},
                    {"help", field.help},
                    {"dtypes", std::move(dtypes)},
                    {"min_rank", field.min_rank},
                    {"max_rank", field.max_rank},
                    {"optional", field.optional},
                    {"conditional", static_cast<bool>(field.when)}});
  }
  return list;
}

Json param_json(const ParamSpec& param, const std::string& default_value) {
  Json json = {{"name", param.name},     {"type", param.type},         {"unit", param.unit},
               {"range", param.range},   {"required", param.required}, {"default", nullptr},
               {"shared", param.shared}, {"help", param.help}};
  if (!default_value.empty()) json["default"] = default_value;
  if (param.members.empty()) return json;
  if (!param.short_form.empty()) json["short_form"] = param.short_form;
  json["members"] = Json::array();
  for (const auto& member : param.members)
    json["members"].push_back(param_json(*member, member->default_text));
  return json;
}

}  // namespace

std::string type_text(const NodeType& type) {
  std::string text =
      fmt::format("{}: {}\n  {}{}, {}\n", type.name, type.spec.summary, name_of(type.kind),
                  type.parallel ? ", several messages at once" : "", type.origin);
  text += fields_text("Fields it reads", type.spec.reads);
  text += fields_text("Fields it adds", type.spec.adds);
  text += fields_text("Fields it drops", type.spec.drops);
  if (!type.spec.params.empty()) text += "\nParameters:\n";
  for (const auto& param : type.spec.params) text += param_text(*param, param->default_text, 0);
  const auto common = common_keys_of(type);
  if (!common.empty()) text += "\nKeys that every node of its kind has:\n";
  for (const auto& key : common) text += param_text(*key, common_default(type, *key), 0);
  return text;
}

Json type_json(const NodeType& type) {
  Json params = Json::array();
  for (const auto& param : type.spec.params)
    params.push_back(param_json(*param, param->default_text));
  Json common = Json::array();
  for (const auto& key : common_keys_of(type))
    common.push_back(param_json(*key, common_default(type, *key)));
  return {{"name", type.name},
          {"kind", name_of(type.kind)},
          {"summary", type.spec.summary},
          {"origin", type.origin},
          {"parallel", type.parallel},
          {"opens_events", type.spec.opens_events},
          {"reads", fields_json(type.spec.reads)},
          {"adds", fields_json(type.spec.adds)},
          {"drops", fields_json(type.spec.drops)},
          {"params", std::move(params)},
          {"common_keys", std::move(common)}};
}

}  // namespace pnflow
