package textbackend

import (
	"fmt"
	"strings"
)

// Style says how a conversation becomes a prompt. All but StyleModel leave out messages of other roles than
// system, user and assistant, and trust the model to read the markers of turns in its prompt.
type Style int

const (
	StyleModel  Style = iota // the model's own template
	StyleLegacy              // StyleChatML for the model type qwen3, StyleGemma for all others
	StyleGemma               // Gemma's turns; a system message is a user turn "[System: ...]"
	StyleChatML              // ChatML's turns
)

func (s Style) format(modelType string, messages []Message) string {
	if s == StyleLegacy && modelType == "qwen3" || s == StyleChatML {
		return formatChatML(messages)
	}
	return formatGemma(messages)
}

func formatGemma(messages []Message) string {
	var prompt strings.Builder
	for _, m := range messages {
		switch m.Role {
		case "user":
			fmt.Fprintf(&prompt, "<start_of_turn>user\n%s<end_of_turn>\n", m.Content)
		case "assistant":
			fmt.Fprintf(&prompt, "<start_of_turn>model\n%s<end_of_turn>\n", m.Content)
		case "system":
			fmt.Fprintf(&prompt, "<start_of_turn>user\n[System: %s]<end_of_turn>\n", m.Content)
		}
	}
	return prompt.String() + "<start_of_turn>model\n"
}

func formatChatML(messages []Message) string {
	var prompt strings.Builder
	for _, m := range messages {
		switch m.Role {
		case "system", "user", "assistant":
			fmt.Fprintf(&prompt, "<|im_start|>%s\n%s<|im_end|>\n", m.Role, m.Content)
		}
	}
	return prompt.String() + "<|im_start|>assistant\n"
}
