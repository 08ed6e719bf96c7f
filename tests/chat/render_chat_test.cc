#include "chat/render_chat.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "support/expect_error.h"

namespace inference {
namespace {

OrderedJson Messages(std::string_view json) { return ParseOrderedJson(json, "messages"); }

TEST(PrepareMessages, NullFieldsAreLeftOut) {
  EXPECT_EQ(PrepareMessages(Messages(R"([{"role":"assistant","content":null,
                                          "tool_calls":[{"id":null}]},{"role":"user"}])"))
                .dump(),
            R"([{"role":"assistant","tool_calls":[{"id":null}]},{"role":"user"}])");
}

TEST(PrepareMessages, ReasoningIsThereUnderEachOfItsNames) {
  const auto prepared = [](std::string_view json) {
    return PrepareMessages(Messages(json))[0].dump();
  };
  EXPECT_EQ(prepared(R"([{"role":"a","reasoning_content":"r"}])"),
            R"({"thinking":"r","role":"a","reasoning_content":"r"})");
  EXPECT_EQ(prepared(R"([{"role":"a","thinking":"t"}])"),
            R"({"role":"a","thinking":"t","reasoning_content":"t"})");
  EXPECT_EQ(prepared(R"([{"role":"a","reasoning":"r","reasoning_content":null}])"),
            R"({"thinking":"r","role":"a","reasoning":"r","reasoning_content":"r"})");
  EXPECT_EQ(prepared(R"([{"role":"a","reasoning_content":"1","thinking":"2"}])"),
            R"({"role":"a","reasoning_content":"1","thinking":"2"})");
}

constexpr const char* kTurns =
    "{% for m in messages %}<{{ m.role }}>{{ m.content | trim }}</>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}";

std::string Continue(std::string_view source, std::string_view messages) {
  return RenderChat(ChatTemplate::Parse(source, "t"), Messages(messages), OrderedJson::object(),
                    {.continue_final_message = true});
}

TEST(RenderChat, VariablesAndFlags) {
  const ChatTemplate turns = ChatTemplate::Parse(std::string(kTurns) + "{{ x }}", "t");
  const OrderedJson messages = Messages(R"([{"role":"user","content":"a"}])");
  EXPECT_EQ(RenderChat(turns, messages, {{"x", 1}}, {}), "<user>a</>1");
  EXPECT_EQ(RenderChat(turns, messages, {{"messages", 5}}, {.add_generation_prompt = true}),
            "<user>a</><assistant>");
}

TEST(RenderChat, SeesACancel) {
  const ChatTemplate endless = ChatTemplate::Parse(
      "{% for a in range(100000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}", "t");
  const OrderedJson none = OrderedJson::array();
  CancelFlag cancel;
  cancel.Trigger();
  const ChatRendering rendering{.effort = kMaxTemplateEffort, .cancel = &cancel};
  ExpectError(Status::kCancelled, {"chat template: cancelled"},
              [&] { RenderChat(ChatTemplate::Parse("x", "t"), none, {}, rendering); });
  cancel.Reset();
  std::thread other([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    cancel.Trigger();
  });
  ExpectError(Status::kCancelled, {"chat template: cancelled"},
              [&] { RenderChat(endless, none, OrderedJson::object(), rendering); });
  other.join();
}

TEST(RenderChat, ContinuesTheLastMessage) {
  const char* chat = R"([{"role":"user","content":"a"},{"role":"assistant","content":"b c"}])";
  EXPECT_EQ(Continue(kTurns, chat), "<user>a</><assistant>b c");
  const char* padded = R"([{"role":"assistant","content":" b\n"}])";
  EXPECT_EQ(Continue(kTurns, padded), "<assistant>b");
  EXPECT_EQ(Continue("{% for m in messages %}<{{ m.content }}>{% endfor %}", padded), "< b\n");
  EXPECT_EQ(Continue("{% for p in messages[0].content %}{{ p.text }}|{% endfor %}",
                     R"([{"role":"a","content":[{"type":"text","text":"x"},{"type":"image"}]}])"),
            "x");
}

TEST(RenderChat, ContinuingCanFail) {
  const auto expect = [](Status status, std::string_view source, std::string_view messages,
                         std::string_view part) {
    ExpectError(status, {part}, [&] { Continue(source, messages); });
  };
  expect(Status::kArg, kTurns, "[]", "continue_final_message: there is no message");
  for (const char* content : {"null", "5", "[]", R"([{"type":"image"}])", R"([{"text":1}])"}) {
    expect(Status::kArg, kTurns, fmt::format(R"([{{"role":"u","content":{}}}])", content),
           "messages[0] has no text to continue");
  }
  const char* chat = R"([{"role":"u","content":"a"}])";
  expect(Status::kTemplate, "x", chat, "does not print the last message");
  expect(Status::kTemplate, "{{ messages[0].content | upper }}", chat, "does not print");
  expect(Status::kTemplate, "{{ raise_exception('no') }}", chat, "t:1:19: raised");
  ExpectError(Status::kArg, {"continue_final_message: excludes add_generation_prompt"}, [&] {
    RenderChat(ChatTemplate::Parse("", "t"), Messages(chat), OrderedJson::object(),
               {.add_generation_prompt = true, .continue_final_message = true});
  });
}

}  // namespace
}  // namespace inference
