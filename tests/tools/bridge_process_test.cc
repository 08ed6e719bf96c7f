// inference-bridge as a child process: cancel, quit, the end of its input and of its reader, and
// what it writes where.
#include <gmock/gmock.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "tools/bridge_lines.h"

namespace inference::tools_test {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

// More tokens than the model's 512 positions: a generation that is not ended ends as full.
constexpr int kEndless = 100000;

// The bridge in the middle of a generation, held up by a pipe that nobody reads.
class Running {
 public:
  explicit Running(const Json& command) {
    bridge_.Write(Lines({LoadCommand(), command}));
    EXPECT_EQ(Next()["ok"], true);
    EXPECT_TRUE(Next().contains("token"));
  }
  Conversation& bridge() { return bridge_; }
  Json Next() {
    const std::string line = bridge_.ReadLine();
    return line.empty() ? Json() : Json::parse(line);
  }
  // Lines up to "done", after time enough for the thread that reads commands.
  std::vector<Json> Rest() {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    std::vector<Json> lines;
    do {
      lines.push_back(Next());
    } while (!lines.back().is_null() && !lines.back().contains("done"));
    return lines;
  }

 private:
  Conversation bridge_{{}, Program::kBridge};
};

TEST(BridgeProcess, CancelEndsAGenerationAndTheNextCommandWorks) {
  Running running(GenerateCommand(kEndless));
  running.bridge().Write(Lines({{{"cmd", "cancel"}}}));
  const std::vector<Json> lines = running.Rest();
  EXPECT_EQ(lines.back()["finish"], "cancelled");
  EXPECT_EQ(lines.back()["tokens_generated"], lines.size());  // one was read before
  // Nothing is left of it: one that comes when nothing runs does nothing.
  running.bridge().Write(Lines({{{"cmd", "cancel"}}, GenerateCommand(2), {{"cmd", "info"}}}));
  EXPECT_EQ(running.Next()["token_id"], 16);
  EXPECT_EQ(running.Next()["token_id"], 199);
  EXPECT_EQ(running.Next()["finish"], "length");
  EXPECT_EQ(running.Next()["layers"], 3);
  EXPECT_EQ(running.bridge().Finish(), 0);
}

TEST(BridgeProcess, CancelIsAboutTheGenerationThatWasAskedForLast) {
  Running running(GenerateCommand(200));
  running.bridge().Write(Lines({GenerateCommand(kEndless), {{"cmd", "cancel"}}}));
  const std::vector<Json> first = running.Rest();
  EXPECT_EQ(first.back()["finish"], "length");
  EXPECT_THAT(first, SizeIs(200));
  const Json second = running.Next();
  EXPECT_EQ(second["finish"], "cancelled") << second;
  EXPECT_EQ(second["tokens_generated"], 0);
  EXPECT_EQ(running.bridge().Finish(), 0);
}

TEST(BridgeProcess, CancelEndsABatch) {
  Running running({{"cmd", "batch_generate"}, {"prompts", {"a", "b"}}, {"max_tokens", kEndless}});
  running.bridge().Write(Lines({{{"cmd", "cancel"}}}));
  const std::vector<Json> lines = running.Rest();
  size_t ends = 0;
  for (const Json& line : lines) {
    EXPECT_FALSE(line.contains("failure")) << line;
    if (!line.contains("finish")) continue;
    EXPECT_EQ(line["finish"], "cancelled");
    ++ends;
  }
  EXPECT_EQ(ends, 2u);
  EXPECT_EQ(running.bridge().Finish(), 0);
}

TEST(BridgeProcess, QuitEndsAGenerationAndTheProgram) {
  Running running(GenerateCommand(kEndless));
  running.bridge().Write(Lines({{{"cmd", "quit"}}, {{"cmd", "info"}}}));
  EXPECT_EQ(running.Rest().back()["finish"], "cancelled");
  EXPECT_EQ(running.bridge().ReadLine(), "");  // what comes after it is not read
  EXPECT_EQ(running.bridge().Finish(), 0);
}

TEST(BridgeProcess, TheEndOfTheInputEndsAGenerationAndTheProgram) {
  Running running(GenerateCommand(kEndless));
  running.bridge().CloseInput();
  EXPECT_EQ(running.Rest().back()["finish"], "cancelled");
  EXPECT_EQ(running.bridge().Finish(), 0);
}

TEST(BridgeProcess, AParentThatIsGoneLeavesNoOrphan) {
  Running running(GenerateCommand(kEndless));
  running.bridge().CloseInput();
  running.bridge().CloseOutput();
  EXPECT_EQ(running.bridge().Finish(), 1);  // waits for its end
}

TEST(BridgeProcess, AReaderThatIsGoneEndsItThoughCommandsMayCome) {
  Running running(GenerateCommand(kEndless));
  running.bridge().CloseOutput();
  EXPECT_EQ(running.bridge().Wait(), 1);
}

TEST(BridgeProcess, AnInterruptIsTheParents) {
  Running running(GenerateCommand(kEndless));
  running.bridge().Signal(SIGINT);
  EXPECT_EQ(running.Rest().back()["finish"], "context_full");
  EXPECT_EQ(running.bridge().Finish(), 0);
}

TEST(BridgeProcess, WhatWaitsAtTheEndOfTheInputIsCancelled) {
  const std::string commands = Lines({LoadCommand(), GenerateCommand(5)});
  const Outcome outcome = Bridge({}, commands + commands);
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.out, Not(HasSubstr("\"length\"")));
  EXPECT_EQ(Bridge({"--finish"}, commands + "{\"cmd\":\"quit\"}\n" + commands).lines().size(), 7u);
}

TEST(BridgeProcess, WhatADriverPrintsIsNoLineOfTheProtocol) {
  ASSERT_EQ(setenv("OPENCL_LAYERS", INFERENCE_CHATTY_LAYER, 1), 0);
  const Outcome outcome =
      Bridge({"--finish", "--verbose"}, Lines({LoadCommand(), GenerateCommand(1)}));
  unsetenv("OPENCL_LAYERS");
  EXPECT_THAT(outcome.lines(), SizeIs(3));
  EXPECT_THAT(outcome.err, HasSubstr("chatty driver"));
  EXPECT_THAT(outcome.err, HasSubstr("[info] "));
}

TEST(BridgeProcess, Usage) {
  const Outcome help = Bridge({"--help"});
  EXPECT_EQ(help.exit_code, 0);
  EXPECT_EQ(help.err, "");
  for (const char* command :
       {"load", "info", "generate", "chat", "cancel", "quit", "classify", "batch_generate"}) {
    EXPECT_THAT(help.out, HasSubstr("{\"cmd\": \"" + std::string(command) + "\"")) << command;
  }
  EXPECT_THAT(Bridge({"--version"}).out, HasSubstr("inference-bridge 0."));
  const Outcome wrong = Bridge({"--model", "x"});
  EXPECT_EQ(wrong.exit_code, 2);
  EXPECT_EQ(wrong.out, "");
  EXPECT_THAT(wrong.err, HasSubstr("inference-bridge: ARG: "));
  const Outcome device = Bridge({"--finish", "--device", "no such device"}, Lines({LoadCommand()}));
  EXPECT_THAT(device.last().value("error", ""), HasSubstr("no such device"));
}

}  // namespace
}  // namespace inference::tools_test
