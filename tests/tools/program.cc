#include "tools/program.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace inference::tools_test {
namespace {

pid_t Spawn(Program program, const std::vector<std::string>& arguments, int in, int out, int err) {
  const char* const path = program == Program::kBridge ? INFERENCE_BRIDGE : INFERENCE_PROGRAM;
  std::vector<char*> argv = {const_cast<char*>(path)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in, 0);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  posix_spawn_file_actions_adddup2(&actions, err, 2);
  pid_t process = -1;
  EXPECT_EQ(posix_spawn(&process, path, &actions, nullptr, argv.data(), environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  return process;
}

int ExitCode(pid_t process) {
  int status = 0;
  EXPECT_EQ(waitpid(process, &status, 0), process);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// An unnamed file in memory.
class MemoryFile {
 public:
  MemoryFile() : fd_(memfd_create("stream", MFD_CLOEXEC)) { EXPECT_GE(fd_, 0); }
  ~MemoryFile() { close(fd_); }
  int fd() const { return fd_; }
  void Write(const std::string& text) {
    EXPECT_EQ(write(fd_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    lseek(fd_, 0, SEEK_SET);
  }
  std::string Read() {
    lseek(fd_, 0, SEEK_SET);
    std::string text;
    char block[4096];
    for (ssize_t n; (n = read(fd_, block, sizeof(block))) > 0;) {
      text.append(block, static_cast<size_t>(n));
    }
    return text;
  }

 private:
  int fd_;
};

Outcome Run(Program program, const std::vector<std::string>& arguments, const std::string& input) {
  MemoryFile in, out, err;
  in.Write(input);
  Outcome outcome;
  outcome.exit_code = ExitCode(Spawn(program, arguments, in.fd(), out.fd(), err.fd()));
  outcome.out = out.Read();
  outcome.err = err.Read();
  return outcome;
}

}  // namespace

std::vector<Json> Outcome::lines() const {
  std::vector<Json> parsed;
  std::istringstream stream(out);
  for (std::string line; std::getline(stream, line);) parsed.push_back(Json::parse(line));
  return parsed;
}

Json Outcome::last() const {
  const std::vector<Json> all = lines();
  return all.empty() ? Json() : all.back();
}

Outcome Inference(const std::vector<std::string>& arguments, const std::string& input) {
  return Run(Program::kInference, arguments, input);
}

Outcome Bridge(const std::vector<std::string>& arguments, const std::string& input) {
  return Run(Program::kBridge, arguments, input);
}

Conversation::Conversation(const std::vector<std::string>& arguments, Program program) {
  signal(SIGPIPE, SIG_IGN);  // a program that ended early fails the test and not the tests
  int to[2], from[2];
  EXPECT_EQ(pipe2(to, O_CLOEXEC), 0);
  EXPECT_EQ(pipe2(from, O_CLOEXEC), 0);
  EXPECT_GE(fcntl(from[1], F_SETPIPE_SZ, 4096), 0);
  const MemoryFile err;
  process_ = Spawn(program, arguments, to[0], from[1], err.fd());
  close(to[0]);
  close(from[1]);
  input_ = to[1];
  output_ = from[0];
}

Conversation::~Conversation() {
  CloseInput();
  CloseOutput();
  if (process_ < 0) return;
  kill(process_, SIGKILL);
  ExitCode(process_);
}

void Conversation::Write(const std::string& text) {
  EXPECT_EQ(write(input_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
}

std::string Conversation::ReadSome() {
  char block[4096];
  const ssize_t n = read(output_, block, sizeof(block));
  return n > 0 ? std::string(block, static_cast<size_t>(n)) : "";
}

std::string Conversation::ReadLine() {
  while (true) {
    const size_t end = read_.find('\n');
    if (end != std::string::npos) {
      const std::string line = read_.substr(0, end);
      read_.erase(0, end + 1);
      return line;
    }
    const std::string more = ReadSome();
    if (more.empty()) return std::exchange(read_, "");
    read_ += more;
  }
}

void Conversation::Signal(int signal) { EXPECT_EQ(kill(process_, signal), 0); }

void Conversation::CloseInput() {
  if (input_ >= 0) close(std::exchange(input_, -1));
}

void Conversation::CloseOutput() {
  if (output_ >= 0) close(std::exchange(output_, -1));
}

int Conversation::Wait() { return ExitCode(std::exchange(process_, -1)); }

int Conversation::Finish() {
  CloseInput();
  while (output_ >= 0 && !ReadSome().empty()) {
  }
  CloseOutput();
  return Wait();
}

std::string TinyModel() { return INFERENCE_TEST_DATA "/golden/tiny/llama-gqa/model"; }

Json Golden() {
  std::ifstream file(INFERENCE_TEST_DATA "/golden/tiny/llama-gqa/golden.json");
  return Json::parse(file);
}

std::string IdList(const Json& ids) {
  const std::string text = ids.dump();
  return text.substr(1, text.size() - 2);
}

std::string TemporaryPath(const std::string& name) { return testing::TempDir() + name; }

}  // namespace inference::tools_test
