#include "device/device.h"

#include <unistd.h>

#include <algorithm>

#include "device/cl_error.h"
#include "device/exit_guard.h"
#include "device/memory_limit.h"
#include "device/signals.h"
#include "util/checked.h"

namespace inference {

namespace {

constexpr std::chrono::milliseconds kSaveBudget{500};  // of closing a device
constexpr uint64_t kMostTimesModels = 3;

std::unique_ptr<const ProgramFiles> OpenFiles(const DeviceOptions& options, const Logger& logger) {
  const std::string folder =
      options.cache_dir.empty() ? DefaultCacheDirectory() : options.cache_dir;
  try {
    Require(!folder.empty(), Status::kIo,
            "no kernel cache: neither HOME nor a user entry is there");
    return std::make_unique<const ProgramFiles>(folder);
  } catch (const Error& error) {
    if (options.cache_dir_required) throw;
    logger.Log(LogLevel::kWarning, "device", "compiled kernels are not kept: {}", error.what());
    return nullptr;
  }
}

}  // namespace

std::shared_ptr<Device> Device::Open(const DeviceInfo& info, const DeviceOptions& options,
                                     std::shared_ptr<const Logger> logger) {
  if (!logger) logger = std::make_shared<const Logger>();
  const std::shared_ptr<Device> device(new Device(info, std::move(logger)));
  device->Run([&] { device->Init(options); });
  return device;
}

Device::Device(const DeviceInfo& info, std::shared_ptr<const Logger> logger)
    : info_(info), logger_(std::move(logger)), pid_(::getpid()) {}

void Device::Init(const DeviceOptions& options) {
  const SignalGuard guard;
  const cl_context_properties properties[] = {
      CL_CONTEXT_PLATFORM, reinterpret_cast<cl_context_properties>(info_.platform), 0};
  cl_int code = CL_SUCCESS;
  context_.reset(clCreateContext(properties, 1, &info_.id, nullptr, nullptr, &code));
  CheckCl(code, "clCreateContext", info_.name);
  queue_ = NewQueue(0);

  BufferPool::Options pool;
  pool.context = context_.get();
  // Host memory is the device's own there, so that mapping copies nothing.
  pool.flags = CL_MEM_READ_WRITE | (info_.unified_memory ? CL_MEM_ALLOC_HOST_PTR : 0);
  pool.huge_pages = info_.type == DeviceType::kCpu;
  pool.max_alloc_bytes = info_.max_alloc_bytes;
  pool.limit = options.memory_limit != 0 ? options.memory_limit : DefaultMemoryLimit(info_);
  pool.cache_limit = kDefaultCacheLimit;
  pool_ = std::make_unique<BufferPool>(pool);
  programs_ =
      std::make_unique<ProgramCache>(context_.get(), info_, OpenFiles(options, *logger_), logger_);
}

ClQueue Device::NewQueue(cl_command_queue_properties properties) const {
  cl_int code = CL_SUCCESS;
  ClQueue queue(clCreateCommandQueue(context_.get(), info_.id, properties, &code));
  CheckCl(code, "clCreateCommandQueue", info_.name);
  return queue;
}

// Nothing of the driver is called any more.
void Device::Leak() {
  if (profile_) profile_->Leak();
  for (ClKernel& kernel : retired_) static_cast<void>(kernel.release());
  static_cast<void>(programs_.release());
  static_cast<void>(pool_.release());
  static_cast<void>(queue_.release());
  static_cast<void>(context_.release());
}

Device::~Device() {
  if (Forked()) {  // the thread and the driver's workers are not in this process
    static_cast<void>(thread_.release());  // even its condition variable would wait for it
    Leak();
    return;
  }
  if (ProcessIsExiting()) {
    Leak();
    return;
  }
  try {
    thread_->Run([this] { Close(); });
  } catch (...) {  // only a thread that cannot wait any more; the handles are released below
  }
}

void Device::Close() {
  if (queue_) clFinish(queue_.get());
  if (programs_ && !lost_) programs_->Save(kSaveBudget);
  ReleaseRetired();
  profile_.reset();
  programs_.reset();
  pool_.reset();
  queue_.reset();
  context_.reset();
}

bool Device::Forked() const { return ::getpid() != pid_; }

void Device::CheckProcess() const {
  if (Forked()) Fail(Status::kState, "device {}: used after fork", Quote(info_.name));
}

void Device::CheckThread(const char* call) const {
  if (!thread_->IsCurrent()) {
    Fail(Status::kInternal, "{}: called outside the device's submission thread", call);
  }
}

void Device::RunErased(const std::function<void()>& work) {
  CheckProcess();  // first: a lock may be held for ever in a forked child
  const std::shared_ptr<Device> self = shared_from_this();  // must not close on its own thread
  thread_->Run([&] {
    if (lost_) Fail(Status::kDeviceLost, "device {}: was lost, open it again", Quote(info_.name));
    ReleaseRetired();
    try {
      work();
    } catch (const Error& error) {
      if (error.domain() == Domain::kOpenCl && error.status() == Status::kDeviceLost) lost_ = true;
      throw;
    }
  });
}

void Device::Post(std::function<void()> work) {
  CheckProcess();
  thread_->Post(std::move(work));
}

Buffer Device::Allocate(uint64_t bytes) {
  CheckProcess();
  const auto block = std::make_shared<Buffer::Block>(shared_from_this(), bytes);
  const BufferPool::Memory memory = pool_->Take(std::max<uint64_t>(bytes, 1));
  block->handle = memory.handle;
  block->capacity = memory.capacity;
  if (memory.passed_mark) WarnOfMemory();
  return Buffer(block);
}

void Device::WatchMemory(uint64_t model_bytes) {
  model_bytes_ = model_bytes;
  pool_->SetMark(model_bytes == 0 ? kNoLimit
                                  : CheckedMul(model_bytes, kMostTimesModels).value_or(kNoLimit));
}

void Device::WarnOfMemory() const {
  const auto mb = [](uint64_t bytes) { return (bytes + 500'000) / 1'000'000; };
  const MemoryStats now = pool_->stats();
  logger_->Log(LogLevel::kWarning, "memory",
               "device {}: more than {} times what its models weigh is active: active_mb {}, "
               "model_mb {}, peak_mb {}; what was cached is given back",
               Quote(info_.name), kMostTimesModels, mb(now.active), mb(model_bytes_), mb(now.peak));
}

void Device::Retire(ClKernel kernel) {
  if (!kernel) return;
  if (Forked()) {
    static_cast<void>(kernel.release());
    return;
  }
  if (thread_->IsCurrent()) return;  // `kernel` is released here
  const std::lock_guard lock(retired_mutex_);
  retired_.push_back(std::move(kernel));
}

void Device::ReleaseRetired() {
  std::vector<ClKernel> kernels;
  {
    const std::lock_guard lock(retired_mutex_);
    kernels.swap(retired_);
  }
}

}  // namespace inference
