#pragma once

#include <concepts>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "graph/export.h"
#include "graph/node.h"
#include "graph/spec.h"

namespace pnflow {

enum class NodeKind : std::uint8_t { source, transform, async_transform, sink, gate };
PNFLOW_API std::string_view name_of(NodeKind kind);

// All that the framework knows of one node type, without constructing a node.
struct NodeType {
  std::string name;
  std::string origin;  // "built in", or the absolute path of the plugin
  NodeKind kind{};
  bool parallel = false;  // may process several messages at once
  NodeSpec spec;
  std::function<std::shared_ptr<void>()> new_params;
  std::function<std::unique_ptr<Node>(const void* params)> make;
  std::function<Batch(Node&, const Batch&, Context&)> process;  // transforms only
};

namespace detail {
template <class N>
concept ConstProcess = requires(const N& n, const Batch& b, Context& c) {
  { n.process(b, c) } -> std::same_as<Batch>;
};
template <class N>
concept AnyProcess = requires(N& n, const Batch& b, Context& c) {
  { n.process(b, c) } -> std::same_as<Batch>;
};
}  // namespace detail

// The node types that a graph may name, and the extensions that nodes find by name (engines).
// Filled explicitly, by register_builtin_nodes() and by plugins; not thread-safe.
class PNFLOW_API Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // Adds node type `name`. N has a struct Params, a static void describe(Spec<Params>&) and a
  // constructor from Params, and derives from one of the bases of node.h.
  // Throws std::logic_error when the name is taken.
  template <class N>
  void add(std::string name);
  void add(NodeType type);

  const NodeType* find(std::string_view name) const;
  // Sorted.
  std::vector<std::string> types() const;

  // Extensions: objects of a type that `interface` names ("pnflow.engine/2"), so that two shared
  // libraries that were built apart agree by name and never by type_info.
  void offer(std::string interface, std::string name, std::shared_ptr<void> extension);
  std::shared_ptr<void> find_offer(std::string_view interface, std::string_view name) const;
  std::vector<std::string> offers(std::string_view interface) const;

  // What is added from now on comes from the plugin `file`; false when it has registered before.
  bool begin_origin(const std::string& file);

 private:
  std::string origin_;
  std::set<std::string> origins_;
  std::map<std::string, NodeType, std::less<>> types_;
  std::map<std::pair<std::string, std::string>, std::shared_ptr<void>> offers_;
};

// Loads a shared library that exports
//   extern "C" const char* pnflow_abi();                  // see abi.h
//   extern "C" void pnflow_register(pnflow::Registry&);
// and lets it register. It stays loaded. A relative `file` is looked for in the directory `beside`
// (of the graph that names it; empty: the current one), in the current directory and in those of
// $PNFLOW_PLUGIN_PATH. Returns the absolute path of the library. A library registers once only.
// Throws RunError, whose first line says what is wrong: the file is not there (then every path
// tried), the loader refuses it, a symbol is missing, both ABI strings differ, pnflow_register
// throws (a name is taken). Not thread-safe.
PNFLOW_API std::string load_plugin(Registry& registry, const std::string& file,
                                   const std::filesystem::path& beside = {});

// The same for a module of pnflow's own, by name: "torch" is libpnflow_torch.so, looked for in
// $PNFLOW_MODULE_PATH, beside libpnflow.so and in pnflow/ there. The message of the RunError lists
// every path tried and ends with `how_to_get_it`.
PNFLOW_API void load_module(Registry& registry, std::string_view name,
                            std::string_view how_to_get_it);
// The file that load_module() would load. Throws the same when it is not there.
PNFLOW_API std::string find_module(std::string_view name, std::string_view how_to_get_it);

template <class N>
void Registry::add(std::string name) {
  static_assert(std::derived_from<N, Node>, "a node type derives from a base of graph/node.h");
  static_assert(
      requires { typename N::Params; }, "a node type has a struct Params");
  static_assert(
      requires(Spec<typename N::Params> & s) { N::describe(s); },
      "a node type has static void describe(pnflow::Spec<Params>&)");
  static_assert(std::constructible_from<N, typename N::Params>,
                "a node type is constructed from its Params");
  using P = typename N::Params;
  NodeType type;
  type.name = std::move(name);
  Spec<P> spec;
  N::describe(spec);
  type.spec = std::move(spec).take();
  type.new_params = [] { return std::static_pointer_cast<void>(std::make_shared<P>()); };
  type.make = [](const void* params) -> std::unique_ptr<Node> {
    return std::make_unique<N>(*static_cast<const P*>(params));
  };
  if constexpr (std::derived_from<N, Source>) {
    type.kind = NodeKind::source;
  } else if constexpr (std::derived_from<N, Sink>) {
    type.kind = NodeKind::sink;
    type.parallel = true;
  } else if constexpr (std::derived_from<N, AsyncTransform>) {
    type.kind = NodeKind::async_transform;
  } else if constexpr (std::derived_from<N, Gate>) {
    type.kind = NodeKind::gate;
  } else {
    static_assert(std::derived_from<N, Transform>,
                  "a node derives from Source, Transform, AsyncTransform, Sink or Gate");
    static_assert(detail::AnyProcess<N>,
                  "a transform has Batch process(const Batch&, Context&), const when it may run "
                  "for several messages at once");
    type.kind = NodeKind::transform;
    type.parallel = detail::ConstProcess<N>;
    type.process = [](Node& node, const Batch& batch, Context& context) {
      return static_cast<N&>(node).process(batch, context);
    };
  }
  add(std::move(type));
}

}  // namespace pnflow
