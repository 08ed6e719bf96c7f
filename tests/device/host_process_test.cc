// What a host process may rely on: its signals, its descriptors, its threads and its forks.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <thread>
#include <vector>

#include "device/device_fixture.h"

namespace inference {
namespace {

// Has clang say something, and a driver that compiles late compile.
constexpr char kNoisy[] = R"(
#warning "a kernel that warns"
__kernel void noisy(__global int* y) {
  int unused = 1.5;
  y[get_global_id(0)] = y == 0 ? (int)(long)y : 1;
}
)";

void UseDevice(const std::string& cache_dir) {
  DeviceOptions options;
  options.cache_dir = cache_dir;
  const auto device = Device::Open(DefaultDeviceInfo(), options, nullptr);
  const Buffer buffer = device->Allocate(64);
  device->Run([&] {
    Kernel kernel = device->GetKernelFromSource("noisy", kNoisy, "");
    kernel.SetArgs(buffer);
    device->Enqueue(kernel, {16, 16});
    device->Finish();
  });
}

std::array<struct sigaction, NSIG> Dispositions() {
  constexpr int kRestorer = 0x04000000;  // the C library's own business
  std::array<struct sigaction, NSIG> actions{};
  for (int signal = 1; signal < NSIG; ++signal) {
    ::sigaction(signal, nullptr, &actions[signal]);
    actions[signal].sa_flags &= ~kRestorer;
  }
  return actions;
}

// Drivers do these things once in a process, so each of these tests has one of its own.
class HostProcessTest : public DeviceTest {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

void Handler(int) {}

[[noreturn]] void CheckSignals(const std::string& cache_dir, const char* sigfpe) {
  if (sigfpe != nullptr) ::setenv("POCL_SIGFPE_HANDLER", sigfpe, 1);
  struct sigaction own {};
  own.sa_handler = Handler;
  own.sa_flags = SA_RESTART | SA_ONSTACK;
  for (const int signal : {SIGTERM, SIGUSR1, SIGFPE}) ::sigaction(signal, &own, nullptr);
  static std::array<char, 32 << 10> stack;  // as small as a Go thread's
  const stack_t own_stack{stack.data(), 0, stack.size()};
  ::sigaltstack(&own_stack, nullptr);
  const auto before = Dispositions();
  int changed = 0;
  for (int round = 0; round < 2; ++round) {
    UseDevice(cache_dir);
    const auto after = Dispositions();
    for (int signal = 1; signal < NSIG; ++signal) {
      if (before[signal].sa_sigaction == after[signal].sa_sigaction &&
          before[signal].sa_flags == after[signal].sa_flags) {
        continue;
      }
      std::cerr << "signal " << signal << " changed" << std::endl;
      ++changed;
    }
  }
  stack_t stack_after;
  ::sigaltstack(nullptr, &stack_after);
  if (stack_after.ss_sp != stack.data()) {
    std::cerr << "alternate stack changed" << std::endl;
    ++changed;
  }
  std::_Exit(changed == 0 ? 0 : 1);
}

TEST_F(HostProcessTest, SignalHandlersStay) {
  EXPECT_EXIT(CheckSignals(folder_.path(), nullptr), testing::ExitedWithCode(0), "^$");
  EXPECT_EXIT(CheckSignals(folder_.path(), "0"), testing::ExitedWithCode(0), "^$");
}

[[noreturn]] void CheckSilence(const std::string& cache_dir) {
  ::dup2(2, 1);  // both are looked at
  UseDevice(cache_dir);
  std::_Exit(0);
}

TEST_F(HostProcessTest, NothingIsPrinted) {
  EXPECT_EXIT(CheckSilence(folder_.path()), testing::ExitedWithCode(0), "^$");
}

// The threads that the library and the driver started must leave the host's signals to the host's
// threads.
[[noreturn]] void CheckMasks(const std::string& cache_dir) {
  DeviceOptions options;
  options.cache_dir = cache_dir;
  const auto device = Device::Open(DefaultDeviceInfo(), options, nullptr);
  int others = 0;
  int open = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == std::to_string(::getpid())) continue;
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.rfind("SigBlk:", 0) != 0) continue;
      const uint64_t blocked = std::stoull(line.substr(7), nullptr, 16);
      ++others;
      for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGALRM, SIGPROF,
                               SIGPIPE, SIGURG}) {
        if ((blocked >> (signal - 1) & 1) == 0) ++open;
      }
    }
  }
  sigset_t mine;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &mine);
  std::cerr << others << " threads, " << open << " open" << std::endl;
  std::_Exit(others >= 1 && open == 0 && sigismember(&mine, SIGTERM) == 0 ? 0 : 1);
}

TEST_F(HostProcessTest, OurThreadsTakeNoSignals) {
  EXPECT_EXIT(CheckMasks(folder_.path()), testing::ExitedWithCode(0), "threads, 0 open");
}

// Drivers start when devices are first asked for; a host may ask from all its threads at once.
[[noreturn]] void ListFromManyThreads() {
  std::atomic<size_t> lists = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { lists += ListDevices().devices.empty() ? 0 : 1; });
  }
  for (std::thread& thread : threads) thread.join();
  std::_Exit(lists == threads.size() ? 0 : 1);
}

TEST_F(HostProcessTest, ManyThreadsListDevices) {
  EXPECT_EXIT(ListFromManyThreads(), testing::ExitedWithCode(0), "^$");
}

// A host that keeps its runtime in a static: the driver's compiler may be gone when that is
// destroyed.
void LeaveWithAnOpenDevice(const std::string& folder) {
  static std::shared_ptr<Device> device;
  std::atexit(
      [] { device.reset(); });  // as early as a static's destructor: runs after the driver's
  DeviceOptions options;
  options.cache_dir = folder;
  device = Device::Open(DefaultDeviceInfo(), options, std::make_shared<Logger>());
  device->Run([] {
    Kernel kernel =
        device->GetKernelFromSource("set",
                                    "__kernel void set(__global float* x) { x[0] = 1; }"
                                    "__kernel void other(__global float* x) { x[0] = 2; }",
                                    "");
    kernel.SetArgs(device->Allocate(4));
    device->Enqueue(kernel, {1, 1});
    device->Finish();
  });
  std::exit(0);
}

TEST_F(HostProcessTest, ADeviceMayOutliveMain) {
  EXPECT_EXIT(LeaveWithAnOpenDevice(folder_.path()), testing::ExitedWithCode(0), "^$");
}

TEST_F(HostProcessTest, AForkedChildIsRefused) {
  auto device = Open();
  Buffer buffer = device->Allocate(16);
  Kernel kernel = device->Run([&] { return device->GetKernelFromSource("noisy", kNoisy, ""); });
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(20);  // a child that hangs is one that dies
    const auto refused = [](const std::function<void()>& work) {
      try {
        work();
      } catch (const Error& error) {
        return error.status() == Status::kState &&
               std::string(error.what()).find("used after fork") != std::string::npos;
      }
      return false;
    };
    bool good = refused([&] { device->Run([] {}); }) && refused([&] { device->Allocate(1); });
    kernel = Kernel();
    buffer = Buffer();
    device.reset();
    ::_exit(good ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  EXPECT_EQ(device->Run([] { return 1; }), 1) << "the parent goes on";
}

TEST_F(HostProcessTest, ManyThreadsShareADevice) {
  const auto device = Open();
  std::atomic<int> wrong = 0;
  const auto work = [&](int32_t seed) {
    for (int32_t round = 0; round < 100; ++round) {
      const Buffer buffer = device->Allocate(4 * static_cast<uint64_t>(1 + round * 7));
      Kernel kernel = device->Run([&] {
        Kernel made = device->GetKernelFromSource(
            "put", "__kernel void put(__global int* y, const int a) { y[get_global_id(0)] = a; }",
            fmt::format("-D THREAD={}", seed % 2));
        made.SetArgs(buffer, seed * 1000 + round);
        device->Enqueue(made, {buffer.size() / 4, 1});
        return made;
      });
      for (const int32_t value : ReadAll<int32_t>(*device, buffer)) {
        if (value != seed * 1000 + round) ++wrong;
      }
    }
  };
  std::vector<std::thread> threads;
  for (int32_t seed = 0; seed < 6; ++seed) threads.emplace_back(work, seed);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(device->memory().active, 0U);
}

}  // namespace
}  // namespace inference
