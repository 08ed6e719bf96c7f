// Runs the command line program as a user would.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace inference::tools_test {

using Json = nlohmann::ordered_json;

struct Outcome {
  int exit_code = -1;  // -1 where a signal ended it
  std::string out, err;
  std::vector<Json> lines() const;  // of out
  Json last() const;                // the last of them; null where there is none
};

enum class Program { kInference, kBridge };

// Runs a program to its end. stdout and stderr are files, so no colours and no progress bars.
Outcome Inference(const std::vector<std::string>& arguments, const std::string& input = "");
Outcome Bridge(const std::vector<std::string>& arguments, const std::string& input = "");

// A program that is talked to while it runs. It is held up after a page of output that nobody
// reads.
class Conversation {
 public:
  explicit Conversation(const std::vector<std::string>& arguments,
                        Program program = Program::kInference);
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;
  ~Conversation();
  void Write(const std::string& text);
  std::string ReadSome();  // waits; empty at the end of the output
  std::string ReadLine();  // the same up to the end of a line, which is left out
  void CloseInput();
  void CloseOutput();
  void Signal(int signal);
  int Wait();    // for its end, with its stdin still open; the exit code as in Outcome
  int Finish();  // closes its stdin, reads on to the end; the exit code as in Outcome

 private:
  int process_, input_, output_;
  std::string read_;  // beyond the last line
};

std::string TinyModel();              // a folder with weights
Json Golden();                        // golden.json of the tiny model
std::string IdList(const Json& ids);  // "1,2,3"
std::string TemporaryPath(const std::string& name);

}  // namespace inference::tools_test
