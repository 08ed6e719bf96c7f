// The commands of the JSON Lines protocol over one model (docs/bridge_protocol.md): load, info,
// generate, chat, and beyond the protocol of mlx-lm bridges classify and batch_generate.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bridge/command_queue.h"
#include "bridge/replies.h"
#include "generation.h"

namespace inference::tools {

class Bridge {
 public:
  // `replies` outlives it.
  Bridge(const Replies& replies, ModelOptions defaults)
      : replies_(replies), defaults_(std::move(defaults)) {}

  // Answers one command. What a command asks wrongly, or what fails, is answered {"error":
  // "COMMAND: why"}; RepliesClosed is the only exception that a client can cause.
  void Answer(const BridgeCommand& command);

 private:
  struct Entry;
  struct Loaded {
    Runtime runtime;
    Model model;
    Tokenizer tokenizer;
    std::map<std::string, Adapter> adapters;  // by path; loaded once
    std::vector<AdapterChoice> under;         // of "load"
    int32_t max_tokens = 256;                 // where a request does not say
  };
  void Load(const BridgeCommand& command);
  void GenerateText(const BridgeCommand& command);
  void Chat(const BridgeCommand& command);
  void Info(const BridgeCommand& command);
  void Classify(const BridgeCommand& command);  // many.cc, as the next one
  void BatchGenerate(const BridgeCommand& command);

  void Run(const BridgeCommand& command, const std::string& name);
  SamplingOptions Sampling(const BridgeCommand& command) const;
  Request NewRequest(const BridgeCommand& command, const SamplingOptions& sampling);
  const inf_adapter* LoadAdapter(Loaded& loaded, const std::string& path, inf_cancel* cancel) const;
  void SetChat(const Json& command, const Request& request) const;
  void Stream(const BridgeCommand& command, const std::function<void(const Request&)>& set_prompt);
  void Generate(const BridgeCommand& command, const SamplingOptions& sampling,
                const std::function<void(const Request&)>& set_prompt);

  const Replies& replies_;
  const ModelOptions defaults_;
  std::optional<Loaded> loaded_;
};

}  // namespace inference::tools
