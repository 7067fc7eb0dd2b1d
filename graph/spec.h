#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/dtype.h"
#include "graph/export.h"
#include "graph/param.h"
#include "graph/param_builder.h"

namespace pnflow {

// What a node does with a message that it cannot process.
//   skip  its living events fail, the run goes on
//   keep  the same, and the raw message is stored for a post-mortem
//   stop  the same, and the run ends with exit code 1
//   wait  as stop, but what may pass by itself, such as a full disk, is waited for: only of nodes
//         that say offers_wait()
enum class OnError : std::uint8_t { skip, keep, stop, wait };

// One field that a node reads, adds or drops.
struct FieldSpec {
  std::string name;
  std::string help;
  std::vector<DType> dtypes;  // empty: any
  int min_rank = 0;           // of the array, the event axis included; 0: any
  int max_rank = 0;
  bool optional = false;                  // read when it is there / perhaps added
  std::function<bool(const void*)> when;  // of the parameters; empty: always

  bool applies(const void* params) const { return !when || when(params); }
};

// The static description of a node type.
struct NodeSpec {
  std::string summary;
  std::vector<FieldSpec> reads, adds, drops;
  ParamSpecs params;
  std::vector<std::pair<std::string, std::function<std::optional<std::string>(const void*)>>>
      checks;
  std::vector<std::function<std::optional<std::string>(const void*)>> needs;
  bool opens_events = false;  // gives events to a message that had none: a decoder
  int default_workers = 1;
  OnError default_on_error = OnError::skip;
  bool can_wait = false;          // knows `on_error: wait`
  bool default_observer = false;  // a sink that leaves the fate of events to others
};

// What a node with these parameters needs of the machine, in the words of its description.
PNFLOW_API std::vector<std::string> needs_of(const NodeSpec& spec, const void* params);

// Sets the parameter struct at `params` from a map, checks between parameters included. `owner` is
// how messages call the map, `at` where they stand that are about the whole of it.
PNFLOW_API void set_checked(const NodeSpec& spec, void* params, const Value& map, Mark at,
                            const std::string& owner, const std::vector<std::string>& reserved,
                            ParamFaults& faults);
// The same for a group of parameters; a value that is not a map is a fault, unless it is a scalar
// and `short_form` names the member that it stands for.
PNFLOW_API void set_group(const NodeSpec& group, void* params, const Value& value,
                          const std::string& label, const std::string& short_form,
                          ParamFaults& faults);

template <class P>
class FieldBuilder {
 public:
  explicit FieldBuilder(FieldSpec& field) : field_(field) {}
  FieldBuilder& help(std::string text) {
    field_.help = std::move(text);
    return *this;
  }
  FieldBuilder& dtypes(std::vector<DType> dtypes) {
    field_.dtypes = std::move(dtypes);
    return *this;
  }
  // Number of axes, the event axis included.
  FieldBuilder& rank(int min, int max) {
    field_.min_rank = min;
    field_.max_rank = max;
    return *this;
  }
  FieldBuilder& rank(int exactly) { return rank(exactly, exactly); }
  FieldBuilder& optional() {
    field_.optional = true;
    return *this;
  }
  // The field counts only with parameters for which `predicate` holds.
  FieldBuilder& when(std::function<bool(const P&)> predicate) {
    field_.when = [f = std::move(predicate)](const void* p) {
      return f(*static_cast<const P*>(p));
    };
    return *this;
  }

 private:
  FieldSpec& field_;  // only valid until the next field is described
};

// What a node's `static void describe(Spec<Params>&)` fills in.
template <class P>
class Spec {
 public:
  Spec& summary(std::string text) {
    node_.summary = std::move(text);
    return *this;
  }
  FieldBuilder<P> reads(std::string field) { return field_in(node_.reads, std::move(field)); }
  FieldBuilder<P> adds(std::string field) { return field_in(node_.adds, std::move(field)); }
  FieldBuilder<P> drops(std::string field) { return field_in(node_.drops, std::move(field)); }
  // The node's answers have events though its input had none; a source that gives events.
  Spec& opens_events() {
    node_.opens_events = true;
    return *this;
  }
  Spec& default_workers(int n) {
    node_.default_workers = n;
    return *this;
  }
  Spec& default_on_error(OnError policy) {
    node_.default_on_error = policy;
    return *this;
  }
  // The node reads OpenContext::on_error() and knows what to wait for.
  Spec& offers_wait() {
    node_.can_wait = true;
    return *this;
  }
  // A sink that stands beside the one that decides on the fate of events, unless a graph says
  // `observer: false`.
  Spec& default_observer() {
    node_.default_observer = true;
    return *this;
  }

  // Parameter `name`, kept in `member`, whose initial value is the default. T is one of: bool,
  // integers, floating point, std::string, Duration, ByteSize, Rate, an enum with choices, and
  // std::optional or std::vector of these.
  template <class T>
  ParamBuilder<T> param(std::string name, T P::*member) {
    auto spec = std::make_shared<ParamSpec>();
    auto limits = std::make_shared<ParamLimits<T>>();
    spec->name = std::move(name);
    spec->type = param_type_name<T>();
    // Weak, because the description holds the function.
    spec->set = [member, limits, description = std::weak_ptr<ParamSpec>(spec)](
                    void* params, const Value& value, ParamFaults& faults) {
      set_param<T>(static_cast<P*>(params)->*member, value, *limits, *description.lock(), faults);
    };
    spec->show = [member, limits](const void* params) {
      return limits->show(static_cast<const P*>(params)->*member);
    };
    params_.push_back(spec);
    return ParamBuilder<T>(spec, limits);
  }

  // A map of parameters of its own, kept in `member` (G or std::optional<G>); `describe` describes
  // its keys as a node's describe does. An optional group is absent until given.
  template <class G>
  GroupBuilder group(std::string name, G P::*member, std::string help, void (*describe)(Spec<G>&)) {
    return add_group<G>(std::move(name), std::move(help), describe, member);
  }
  template <class G>
  GroupBuilder group(std::string name, std::optional<G> P::*member, std::string help,
                     void (*describe)(Spec<G>&)) {
    return add_group<G>(std::move(name), std::move(help), describe, member);
  }

  // A condition between parameters: `test` says what is wrong, or nothing; reported at parameter
  // `at` when that was given, otherwise at the node.
  Spec& check(std::string at, std::function<std::optional<std::string>(const P&)> test) {
    node_.checks.emplace_back(std::move(at), [f = std::move(test)](const void* p) {
      return f(*static_cast<const P*>(p));
    });
    return *this;
  }

  // Something of the machine without which the node cannot run, or nothing: `what` says "a GPU
  // (devices: [0])". `pnflow validate` tells it; whether it is there shows in the node's open().
  Spec& needs(std::function<std::optional<std::string>(const P&)> what) {
    node_.needs.emplace_back(
        [f = std::move(what)](const void* p) { return f(*static_cast<const P*>(p)); });
    return *this;
  }

  NodeSpec take() && {
    finish();
    return std::move(node_);
  }

 private:
  template <class>
  friend class Spec;

  static FieldBuilder<P> field_in(std::vector<FieldSpec>& list, std::string name) {
    list.push_back({.name = std::move(name), .help = {}, .dtypes = {}, .when = {}});
    return FieldBuilder<P>(list.back());
  }

  // A default can be shown only when everything about its parameter is known: its choices, and
  // whether it counts.
  void finish() {
    for (const auto& param : params_) {
      if (!param->required && param->members.empty()) {
        param->default_text = value_text(param->show(&defaults_));
      }
      node_.params.push_back(param);
    }
    params_.clear();
  }

  template <class G, class Member>
  GroupBuilder add_group(const std::string& name, std::string help, void (*describe)(Spec<G>&),
                         Member P::*member) {
    Spec<G> inner;
    describe(inner);
    const NodeSpec group = std::move(inner).take();
    auto spec = std::make_shared<ParamSpec>();
    spec->name = name;
    spec->type = "map";
    spec->help = std::move(help);
    spec->members = group.params;
    spec->set = [member, group, label = "'" + name + "'",
                 description = std::weak_ptr<ParamSpec>(spec)](void* params, const Value& value,
                                                               ParamFaults& faults) {
      Member& target = static_cast<P*>(params)->*member;
      const std::string& short_form = description.lock()->short_form;
      if constexpr (is_optional<Member>) {
        if (value.is_null()) return target.reset();
        set_group(group, &target.emplace(), value, label, short_form, faults);
      } else {
        set_group(group, &target, value, label, short_form, faults);
      }
    };
    spec->show = [member, members = spec->members](const void* params) {
      const Member& shown = static_cast<const P*>(params)->*member;
      if constexpr (is_optional<Member>) {
        return shown ? show_params(members, &*shown) : Value{};
      } else {
        return show_params(members, &shown);
      }
    };
    params_.push_back(spec);
    return GroupBuilder(spec);
  }

  NodeSpec node_;
  std::vector<std::shared_ptr<ParamSpec>> params_;  // still being described
  P defaults_{};
};

}  // namespace pnflow
