#include "tensor/resident.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "util/error.h"

namespace inference {

namespace {

constexpr int kPatienceMs = 3;

// Addresses of all buffers that the phases name, by handle.
std::unordered_map<cl_mem, uint64_t> AddressesOf(Device& device, const std::vector<Phase>& phases) {
  std::unordered_map<cl_mem, uint64_t> out;
  std::vector<Buffer> buffers;
  for (const Phase& phase : phases) {
    for (const auto& argument : phase.arguments) {
      const Buffer* buffer = std::get_if<Buffer>(&argument);
      if (buffer != nullptr && *buffer && out.emplace(buffer->handle(), 0).second) {
        buffers.push_back(*buffer);
      }
    }
  }
  std::vector<uint64_t> addresses(buffers.size());
  const Buffer found = device.Allocate(addresses.size() * sizeof(uint64_t));
  Kernel kernel = device.GetKernel("address", {"address"}, "-D GROUP=1");
  for (size_t i = 0; i < buffers.size(); ++i) {
    kernel.SetArgs(found, buffers[i], static_cast<int32_t>(i));
    device.Enqueue(kernel, {1, 1});
  }
  device.Read(found, 0, std::as_writable_bytes(std::span(addresses)));
  for (size_t i = 0; i < buffers.size(); ++i) out[buffers[i].handle()] = addresses[i];
  return out;
}

}  // namespace

ResidentLaunch::ResidentLaunch(Device& device, const std::vector<Phase>& phases, int spins)
    : phases_(phases.size()), spins_(spins) {
  std::vector<PhaseKernel> kernels;
  std::vector<uint64_t> table(phases.size() * kPhaseWords);
  const auto addresses = AddressesOf(device, phases);
  for (size_t i = 0; i < phases.size(); ++i) {
    const Phase& phase = phases[i];
    Require(phase.arguments.size() + 2 <= kPhaseWords, Status::kInternal,
            "kernel {}: {} arguments, at most {} fit a phase", phase.kernel.kernel,
            phase.arguments.size(), kPhaseWords - 2);
    auto known = std::ranges::find(kernels, phase.kernel);
    if (known == kernels.end()) known = kernels.insert(known, phase.kernel);
    uint64_t* words = &table[i * kPhaseWords];
    words[0] = static_cast<uint64_t>(known - kernels.begin());
    words[1] = static_cast<uint64_t>(phase.parts);
    for (size_t a = 0; a < phase.arguments.size(); ++a) {
      const Buffer* buffer = std::get_if<Buffer>(&phase.arguments[a]);
      words[2 + a] = buffer == nullptr ? std::get<uint32_t>(phase.arguments[a])
                     : *buffer         ? addresses.at(buffer->handle())
                                       : 0;
    }
  }
  kernel_ = device.GetKernelFromSource("resident", ResidentSource(kernels), "");
  table_ = device.Allocate(table.size() * sizeof(uint64_t));
  device.Write(table_, 0, std::as_bytes(std::span(table)));
  state_ = device.Allocate(2 * phases.size() * sizeof(uint32_t));
  device.FillZero(state_, 0, state_.size());
  report_ = device.Allocate(2 * sizeof(int32_t));
  device.FillZero(report_, 0, report_.size());
}

ResidentLaunch::ResidentLaunch(Device& device, const std::vector<Phase>& phases)
    : ResidentLaunch(device, phases, kPatienceMs * device.SpinsPerMillisecond()) {}

size_t ResidentLaunch::Run(Device& device) {
  ++launch_;
  kernel_.SetArgs(table_, state_, report_, static_cast<int32_t>(phases_), launch_, spins_);
  device.Enqueue(kernel_, {device.info().compute_units, 1});
  std::array<int32_t, 2> report{};
  device.Read(report_, 0, std::as_writable_bytes(std::span(report)));
  if (report[0] != launch_) return phases_;
  // What the launch did not reach, the next one must find at zero.
  device.FillZero(state_, 0, state_.size());
  return static_cast<size_t>(report[1]);
}

}  // namespace inference
