// Tokens that are found in the text before anything else looks at it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/byte_trie.h"
#include "tokenizer/text_work.h"

namespace inference {

struct AddedToken {
  std::string content;  // not empty, at most kMaxAddedTokenBytes
  int32_t id = 0;
  bool special = false;
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool normalized = false;   // looked for after normalization
  bool single_word = false;  // only where no word character touches it
};

constexpr size_t kMaxAddedTokenBytes = 1024;  // bounds the time of a search: O(text x longest)

class AddedTokenMatcher {  // immutable after the last Add, thread-safe
 public:
  struct Match {
    size_t begin;  // bytes
    size_t end;
    int32_t id;
  };

  // `name` (a path) begins the message of LIMIT: too long a token, too many of them.
  void Add(const AddedToken& token, std::string_view name);

  // Matches in order: leftmost first, the longest among those that begin there. With
  // `parse_special` false special tokens are text.
  void FindAll(std::string_view text, bool parse_special, const TextWork& work,
               std::vector<Match>& out) const;

 private:
  // The longest token that begins at `at`, or nullptr.
  const AddedToken* FindLongest(std::string_view text, size_t at) const;

  std::vector<AddedToken> tokens_;
  ByteTrie trie_;  // values are indexes of tokens_
};

}  // namespace inference
