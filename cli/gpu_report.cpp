#include "cli/gpu_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace pnflow {

namespace {

using Json = nlohmann::ordered_json;

double gib(std::size_t bytes) { return static_cast<double>(bytes) / (1U << 30U); }

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

// The lines of `text` behind the first one stand below it.
std::string indented(const std::string& text, std::size_t columns) {
  std::string out;
  for (const char c : text) {
    out += c;
    if (c == '\n') out.append(columns, ' ');
  }
  return out;
}

std::string module_text(const ModuleState& module) {
  if (!module.error.empty()) return "no: " + indented(module.error, 14);
  return fmt::format("{}, {}", module.loaded ? "yes" : "there (--engines loads it)", module.file);
}

std::string driver_text(const DeviceSurvey& survey) {
  if (survey.driver_cuda == 0) return "none";
  return fmt::format("{}, for CUDA up to {}",
                     survey.driver.empty() ? "of unknown release" : survey.driver,
                     cuda_version(survey.driver_cuda));
}

std::string engines_text(const GpuOverview& overview) {
  const auto list = [&](const std::vector<std::string>& engines) {
    return fmt::format("{}{}", fmt::join(engines, ", "),
                       overview.torch.loaded || !overview.torch.error.empty()
                           ? ""
                           : ", and those of the torch module");
  };
  std::string text = fmt::format("on the CPU    {}\n", list(overview.cpu_engines));
  if (overview.cuda.loaded) text += fmt::format("on GPUs       {}\n", list(overview.gpu_engines));
  return text;
}

std::string devices_text(const std::vector<DeviceDescription>& devices) {
  std::size_t width = 4;
  for (const DeviceDescription& device : devices) width = std::max(width, device.name.size());
  std::string text = fmt::format(
      "GPU  {:{}}  capability   SMs     memory       free  NUMA node  at\n", "name", width);
  const auto out = std::back_inserter(text);
  for (const DeviceDescription& d : devices) {
    fmt::format_to(out, "{:3}  {:{}}  {:>10}  {:4}  {:5.1f} GiB  {:5.1f} GiB  {:>9}  {}\n", d.index,
                   d.name, width, fmt::format("{}.{}", d.major, d.minor), d.multiprocessors,
                   gib(d.memory_bytes), gib(d.free_bytes),
                   d.numa_node < 0 ? "-" : fmt::to_string(d.numa_node), or_dash(d.pci_bus_id));
    if (!d.why_not.empty()) fmt::format_to(out, "     cannot be used: {}\n", d.why_not);
  }
  return text;
}

std::string copies_text(const GpuOverview& overview) {
  std::string rows;
  const auto out = std::back_inserter(rows);
  constexpr double giga = 1e9;
  for (std::size_t i = 0; i < overview.copies.size(); ++i) {
    const auto& speeds = overview.copies[i];
    if (!speeds) continue;
    const int device = overview.survey.devices[i].index;
    fmt::format_to(out, "{:3}  pinned memory    {:13.1f}  {:7.1f}  {:12.1f}\n", device,
                   speeds->pinned_up / giga, speeds->pinned_down / giga,
                   speeds->pinned_both / giga);
    fmt::format_to(out, "{:3}  ordinary memory  {:13.1f}  {:7.1f}\n", device,
                   speeds->ordinary_up / giga, speeds->ordinary_down / giga);
  }
  if (rows.empty()) return rows;
  return "\nGPU  copies in GB/s   to the device  from it  both at once\n" + rows;
}

Json text_or_null(const std::string& text) { return text.empty() ? Json() : Json(text); }
Json version_or_null(int version) { return version == 0 ? Json() : Json(cuda_version(version)); }

Json module_json(const ModuleState& module) {
  return {{"file", text_or_null(module.file)},
          {"loaded", module.loaded},
          {"error", text_or_null(module.error)}};
}

Json copies_json(const std::optional<CopySpeeds>& speeds) {
  if (!speeds) return nullptr;
  return {{"pinned_up", speeds->pinned_up},
          {"pinned_down", speeds->pinned_down},
          {"pinned_both", speeds->pinned_both},
          {"ordinary_up", speeds->ordinary_up},
          {"ordinary_down", speeds->ordinary_down}};
}

Json device_json(const DeviceDescription& device, const std::optional<CopySpeeds>& speeds) {
  return {{"index", device.index},
          {"name", device.name},
          {"capability", fmt::format("{}.{}", device.major, device.minor)},
          {"multiprocessors", device.multiprocessors},
          {"memory_bytes", device.memory_bytes},
          {"free_bytes", device.free_bytes},
          {"pci_bus_id", text_or_null(device.pci_bus_id)},
          {"numa_node", device.numa_node < 0 ? Json() : Json(device.numa_node)},
          {"why_not", text_or_null(device.why_not)},
          {"copies", copies_json(speeds)}};
}

}  // namespace

std::string gpu_text(const GpuOverview& overview) {
  const DeviceSurvey& survey = overview.survey;
  std::string text = fmt::format("CUDA module   {}\ntorch module  {}\n", module_text(overview.cuda),
                                 module_text(overview.torch));
  if (overview.cuda.loaded) {
    text += fmt::format("CUDA          {}\ndriver        {}\n", cuda_version(survey.runtime_cuda),
                        driver_text(survey));
  }
  text += fmt::format("\nEngines\n{}\n", engines_text(overview));
  if (!overview.cuda.loaded) return text + "No GPU can be used: the CUDA module is not there.\n";
  if (survey.devices.empty()) {
    return text + fmt::format("There is no GPU: {}.\n", survey.why_none);
  }
  return text + devices_text(survey.devices) + copies_text(overview);
}

Json gpu_json(const GpuOverview& overview) {
  const DeviceSurvey& survey = overview.survey;
  Json devices = Json::array();
  for (std::size_t i = 0; i < survey.devices.size(); ++i) {
    devices.push_back(device_json(survey.devices[i], overview.copies[i]));
  }
  return {{"cuda_module", module_json(overview.cuda)},
          {"torch_module", module_json(overview.torch)},
          {"cuda", version_or_null(survey.runtime_cuda)},
          {"driver", text_or_null(survey.driver)},
          {"driver_cuda", version_or_null(survey.driver_cuda)},
          {"why_none", text_or_null(survey.why_none)},
          {"devices", std::move(devices)},
          {"engines", {{"cpu", overview.cpu_engines}, {"gpu", overview.gpu_engines}}}};
}

}  // namespace pnflow
