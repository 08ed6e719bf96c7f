// The commands of a Device: what runs on its submission thread.
#include "device/cl_error.h"
#include "device/device.h"
#include "device/exit_guard.h"
#include "device/signals.h"

namespace inference {

namespace {

// PoCL compiles a kernel apart for grids up to this many work-items.
constexpr size_t kSmallGrid = 65534;

}  // namespace

void Device::CheckRange(const char* call, const Buffer& buffer, uint64_t offset,
                        uint64_t bytes) const {
  CheckThread(call);
  Require(buffer.BelongsTo(*this), Status::kInternal, "{}: the buffer is not of this device", call);
  Require(offset <= buffer.size() && bytes <= buffer.size() - offset, Status::kInternal,
          "{}: bytes {} + {} of a buffer of {}", call, offset, bytes, buffer.size());
}

void Device::Write(const Buffer& to, uint64_t offset, std::span<const std::byte> bytes) {
  CheckRange("Write", to, offset, bytes.size());
  if (bytes.empty()) return;
  CheckCl(clEnqueueWriteBuffer(queue_.get(), to.handle(), CL_TRUE, offset, bytes.size(),
                               bytes.data(), 0, nullptr, nullptr),
          "clEnqueueWriteBuffer");
}

void Device::Read(const Buffer& from, uint64_t offset, std::span<std::byte> bytes) {
  CheckRange("Read", from, offset, bytes.size());
  if (bytes.empty()) {
    Finish();
    return;
  }
  CheckCl(clEnqueueReadBuffer(queue_.get(), from.handle(), CL_TRUE, offset, bytes.size(),
                              bytes.data(), 0, nullptr, nullptr),
          "clEnqueueReadBuffer");
}

void Device::Copy(const Buffer& from, uint64_t from_offset, const Buffer& to, uint64_t to_offset,
                  uint64_t bytes) {
  CheckRange("Copy (source)", from, from_offset, bytes);
  CheckRange("Copy (target)", to, to_offset, bytes);
  if (bytes == 0) return;
  CheckCl(clEnqueueCopyBuffer(queue_.get(), from.handle(), to.handle(), from_offset, to_offset,
                              bytes, 0, nullptr, nullptr),
          "clEnqueueCopyBuffer");
}

void Device::FillZero(const Buffer& buffer, uint64_t offset, uint64_t bytes) {
  CheckRange("FillZero", buffer, offset, bytes);
  if (bytes == 0) return;
  const cl_uchar zero = 0;
  CheckCl(clEnqueueFillBuffer(queue_.get(), buffer.handle(), &zero, sizeof(zero), offset, bytes, 0,
                              nullptr, nullptr),
          "clEnqueueFillBuffer");
}

BufferMapping Device::Map(const Buffer& buffer) {
  CheckRange("Map", buffer, 0, buffer.size());
  if (buffer.size() == 0) return BufferMapping(shared_from_this(), buffer, {});
  cl_int code = CL_SUCCESS;
  void* bytes =
      clEnqueueMapBuffer(queue_.get(), buffer.handle(), CL_TRUE, CL_MAP_WRITE_INVALIDATE_REGION, 0,
                         buffer.size(), 0, nullptr, nullptr, &code);
  CheckCl(code, "clEnqueueMapBuffer");
  return BufferMapping(shared_from_this(), buffer, {static_cast<std::byte*>(bytes), buffer.size()});
}

void Device::Unmap(const Buffer& buffer, std::span<std::byte> span) {
  CheckCl(clEnqueueUnmapMemObject(queue_.get(), buffer.handle(), span.data(), 0, nullptr, nullptr),
          "clEnqueueUnmapMemObject");
}

Kernel Device::GetKernel(const std::string& kernel, const std::vector<std::string>& files,
                         const std::string& defines) {
  CheckThread("GetKernel");
  return MakeKernel(programs_->FromFiles(files, defines), kernel);
}

Kernel Device::GetKernelFromSource(const std::string& kernel, const std::string& source,
                                   const std::string& defines) {
  CheckThread("GetKernelFromSource");
  return MakeKernel(programs_->FromSource(kernel, source, defines), kernel);
}

Kernel Device::MakeKernel(uint64_t program, const std::string& kernel) {
  cl_int code = CL_SUCCESS;
  ClKernel handle(clCreateKernel(programs_->program(program), kernel.c_str(), &code));
  if (code == CL_INVALID_KERNEL_NAME) FailCl(Status::kInternal, code, "clCreateKernel", kernel);
  CheckCl(code, "clCreateKernel", kernel);
  return Kernel(shared_from_this(), std::move(handle), kernel, program);
}

void Device::Enqueue(const Kernel& kernel, const Range& range, const Work* work) {
  CheckThread("Enqueue");
  Require(kernel.device_.get() == this, Status::kInternal,
          "Enqueue: kernel {} is not of this device", kernel.name_);
  if (range.global == 0) return;
  const Kernel::Launch launch{range.local, range.global > kSmallGrid};
  if (kernel.last_launch_ == launch) {
    Submit(kernel, range, work);
    return;
  }
  const std::string kind =
      fmt::format("{} {}{}", kernel.name_, range.local, launch.large_grid ? " large" : "");
  if (programs_->IsFirstLaunch(kernel.program_, kind)) {
    const SignalGuard guard;  // the driver may compile now, or while the command runs
    Submit(kernel, range, work);
    Finish();
    WatchExit();
  } else {
    Submit(kernel, range, work);
  }
  kernel.last_launch_ = launch;
}

void Device::Submit(const Kernel& kernel, const Range& range, const Work* work) {
  cl_event event = nullptr;
  CheckCl(clEnqueueNDRangeKernel(queue_.get(), kernel.handle_.get(), 1, nullptr, &range.global,
                                 range.local == 0 ? nullptr : &range.local, 0, nullptr,
                                 profile_ ? &event : nullptr),
          "clEnqueueNDRangeKernel", kernel.name_);
  if (profile_) profile_->Add(kernel.name_, work ? *work : Work{}, ClEvent(event));
}

// A queue takes no times unless it was made so, which may cost.
void Device::StartProfile() {
  CheckThread("StartProfile");
  Require(!profile_, Status::kState, "profile: one runs on device {} already", Quote(info_.name));
  Finish();
  queue_ = NewQueue(CL_QUEUE_PROFILING_ENABLE);
  profile_ = std::make_unique<Profile>();
}

std::vector<KernelTime> Device::StopProfile() {
  CheckThread("StopProfile");
  Require(profile_ != nullptr, Status::kState, "profile: none runs on device {}",
          Quote(info_.name));
  Finish();
  const std::unique_ptr<Profile> done = std::move(profile_);
  queue_ = NewQueue(0);
  return done->Times();
}

void Device::SaveKernels() {
  CheckThread("SaveKernels");
  programs_->Save(std::chrono::hours(1));
}

void Device::Flush() {
  CheckThread("Flush");
  CheckCl(clFlush(queue_.get()), "clFlush");
}

void Device::Finish() {
  CheckThread("Finish");
  CheckCl(clFinish(queue_.get()), "clFinish");
}

ClEvent Device::Mark() {
  CheckThread("Mark");
  cl_event event = nullptr;
  CheckCl(clEnqueueMarkerWithWaitList(queue_.get(), 0, nullptr, &event),
          "clEnqueueMarkerWithWaitList");
  ClEvent mark(event);
  Flush();
  return mark;
}

void Device::Wait(const ClEvent& mark) {
  CheckThread("Wait");
  const cl_event event = mark.get();
  CheckCl(clWaitForEvents(1, &event), "clWaitForEvents");
}

}  // namespace inference
