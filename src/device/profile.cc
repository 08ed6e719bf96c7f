#include "device/profile.h"

#include <algorithm>

#include "device/cl_error.h"

namespace inference {

namespace {

constexpr size_t kMostPending = 4096;  // events that wait for their times

uint64_t TimeOf(const ClEvent& event, cl_profiling_info which, const std::string& kernel) {
  cl_ulong ns = 0;
  CheckCl(clGetEventProfilingInfo(event.get(), which, sizeof(ns), &ns, nullptr),
          "clGetEventProfilingInfo", kernel);
  return ns;
}

}  // namespace

void Profile::Add(const std::string& kernel, const Work& work, ClEvent event) {
  KernelTime& time = times_[{kernel, work.what}];
  if (time.launches == 0) {
    time.kernel = kernel;
    time.work.what = work.what;
  }
  ++time.launches;
  time.work.weight_bytes += work.weight_bytes;
  time.work.read_bytes += work.read_bytes;
  time.work.written_bytes += work.written_bytes;
  time.work.flops += work.flops;
  pending_.emplace_back(&time, std::move(event));
  if (pending_.size() >= kMostPending) Settle();
}

void Profile::Settle() {
  for (const auto& [time, event] : pending_) {
    const cl_event handle = event.get();
    CheckCl(clWaitForEvents(1, &handle), "clWaitForEvents", time->kernel);
    time->ns += TimeOf(event, CL_PROFILING_COMMAND_END, time->kernel) -
                TimeOf(event, CL_PROFILING_COMMAND_START, time->kernel);
  }
  pending_.clear();
}

std::vector<KernelTime> Profile::Times() {
  Settle();
  std::vector<KernelTime> out;
  for (const auto& [key, time] : times_) out.push_back(time);
  std::stable_sort(out.begin(), out.end(),
                   [](const KernelTime& a, const KernelTime& b) { return a.ns > b.ns; });
  return out;
}

void Profile::Leak() {
  for (auto& [time, event] : pending_) static_cast<void>(event.release());
}

}  // namespace inference
