// What fields a message has at each node: a source's, then each node's added and dropped ones.

#include <algorithm>
#include <set>

#include "graph/field_fit.h"
#include "graph/plan_draft.h"

namespace pnflow {

namespace {

struct Provider {
  const FieldSpec* field;
  std::size_t node;
};

struct KnownField {
  std::vector<Provider> providers;  // several behind a merge
  bool certain = true;
};

struct Fields {
  std::map<std::string, KnownField> known;
  std::map<std::string, std::size_t> dropped;  // and by which node
  bool open = false;  // contents cannot be told, because a node before has a fault of its own
};

// Behind a merge a field is certain when every input has it for certain.
Fields merged(const std::vector<const Fields*>& inputs) {
  if (inputs.size() == 1) return *inputs.front();
  Fields all;
  std::map<std::string, std::size_t> certain_in;
  for (const Fields* input : inputs) {
    all.open = all.open || input->open;
    all.dropped.insert(input->dropped.begin(), input->dropped.end());
    for (const auto& [name, field] : input->known) {
      auto& providers = all.known[name].providers;
      providers.insert(providers.end(), field.providers.begin(), field.providers.end());
      if (field.certain) ++certain_in[name];
    }
  }
  for (auto& [name, field] : all.known) field.certain = certain_in[name] == inputs.size();
  return all;
}

class FieldCheck {
 public:
  explicit FieldCheck(Draft& draft) : draft_(draft), outputs_(draft.nodes.size()) {}

  void run() {
    for (std::size_t n = 0; n < draft_.nodes.size(); ++n) {
      DraftNode& node = draft_.nodes[n];
      const Fields input = input_of(n);
      if (node.known()) {
        for (const FieldSpec& read : node.planned.type->spec.reads) check_read(n, read, input);
      }
      outputs_[n] = output_of(n, input);
      for (const auto& [name, field] : outputs_[n].known) {
        node.planned.fields.push_back(name + (field.certain ? "" : "?"));
      }
    }
  }

 private:
  // With parameters that could not be read, a field that depends on them may be there or not.
  bool undecided(const DraftNode& node, const FieldSpec& field) const {
    return !node.params_good && field.when;
  }
  bool applies(const DraftNode& node, const FieldSpec& field) const {
    return !undecided(node, field) && field.applies(node.planned.params.get());
  }

  Fields input_of(std::size_t n) const {
    const DraftNode& node = draft_.nodes[n];
    std::vector<const Fields*> inputs;
    for (const std::size_t before : node.planned.from) inputs.push_back(&outputs_[before]);
    Fields input = inputs.empty() ? Fields{} : merged(inputs);
    const bool lacks_edges = inputs.empty() && !node.is(NodeKind::source);
    input.open = input.open || lacks_edges || node.excused || node.on_cycle;
    return input;
  }

  Fields output_of(std::size_t n, const Fields& input) const {
    const DraftNode& node = draft_.nodes[n];
    Fields output = input;
    if (!node.known()) {
      output.open = true;
      return output;
    }
    const NodeSpec& spec = node.planned.type->spec;
    for (const FieldSpec& drop : spec.drops) {
      output.open = output.open || undecided(node, drop);
      if (applies(node, drop) && output.known.erase(drop.name) != 0) output.dropped[drop.name] = n;
    }
    for (const FieldSpec& add : spec.adds) {
      output.open = output.open || undecided(node, add);
      if (!applies(node, add)) continue;
      KnownField& field = output.known[add.name];
      // A field that is perhaps replaced is what it was, or what it is now.
      const bool was_there = !field.providers.empty() && field.certain;
      if (!add.optional) field.providers.clear();
      field.providers.push_back({&add, n});
      field.certain = !add.optional || was_there;
    }
    return output;
  }

  void check_read(std::size_t n, const FieldSpec& read, const Fields& input) {
    const DraftNode& node = draft_.nodes[n];
    if (!applies(node, read)) return;
    const auto found = input.known.find(read.name);
    if (found == input.known.end()) {
      if (!read.optional && !input.open) report_missing(n, read, input);
      return;
    }
    const KnownField& field = found->second;
    for (const Provider& provider : field.providers) {
      if (const auto misfit = field_misfit(read, *provider.field)) {
        error(n, fmt::format("{} reads field '{}' {}, but {} gives {}", node.label(), read.name,
                             misfit->wanted, draft_.nodes[provider.node].label(), misfit->given));
      }
    }
    if (!field.certain && !read.optional && !input.open) report_uncertain(n, read, field);
  }

  void report_uncertain(std::size_t n, const FieldSpec& read, const KnownField& field) {
    const Provider& provider = field.providers.front();
    const std::string giver = draft_.nodes[provider.node].label();
    const std::string owner = draft_.nodes[n].label();
    if (provider.field->optional) {
      error(n,
            fmt::format("{} needs field '{}', which {} gives only for some messages", owner,
                        read.name, giver),
            provider.field->help);
    } else {
      error(n, fmt::format("{} reads field '{}', which not every path to it has", owner, read.name),
            fmt::format("{} gives it, on one of the paths that are merged before", giver));
    }
  }

  void report_missing(std::size_t n, const FieldSpec& read, const Fields& input) {
    error(n,
          fmt::format("{} reads field '{}', which no node before it gives", draft_.nodes[n].label(),
                      read.name),
          missing_hint(n, read.name, input));
  }

  std::string missing_hint(std::size_t n, const std::string& field, const Fields& input) const {
    if (const auto dropped = input.dropped.find(field); dropped != input.dropped.end()) {
      return fmt::format("{} before it drops the field", draft_.nodes[dropped->second].label());
    }
    for (std::size_t other = 0; other < draft_.nodes.size(); ++other) {
      const DraftNode& node = draft_.nodes[other];
      if (!node.known() || other == n) continue;
      const auto& adds = node.planned.type->spec.adds;
      const auto add = std::ranges::find(adds, field, &FieldSpec::name);
      if (add == adds.end()) continue;
      if (draft_.upstream[n][other]) {
        return fmt::format("{} before it can give the field, with other parameters", node.label());
      }
      return fmt::format("{} gives it, but stands {}", node.label(),
                         draft_.upstream[other][n] ? "behind" : "on another path");
    }
    std::string types;
    for (const std::string& name : draft_.registry.types()) {
      const auto& adds = draft_.registry.find(name)->spec.adds;
      if (std::ranges::find(adds, field, &FieldSpec::name) == adds.end()) continue;
      types += (types.empty() ? "" : ", ") + name;
    }
    return types.empty() ? "no node type gives this field"
                         : fmt::format("given by nodes of type: {}", types);
  }

  void error(std::size_t n, std::string message, std::string hint = {}) {
    draft_.diagnostics.error(draft_.nodes[n].written->mark, std::move(message), std::move(hint));
  }

  Draft& draft_;
  std::vector<Fields> outputs_;
};

}  // namespace

void check_fields(Draft& draft) { FieldCheck(draft).run(); }

}  // namespace pnflow
