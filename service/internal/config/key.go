package config

import (
	"fmt"
	"io"
	"os"
	"strings"
)

const maxKeyBytes = 8 << 10

// ReadKey fetches the API key from the file or the variable that is named.
// Empty, without an error, when neither holds one: local endpoints need none.
// The errors do not show the key.
func (o OpenAI) ReadKey(getenv func(string) string) (string, error) {
	if o.APIKeyFile == "" {
		if o.APIKeyEnv == "" {
			return "", nil
		}
		return strings.TrimSpace(getenv(o.APIKeyEnv)), nil
	}
	f, err := os.Open(o.APIKeyFile)
	if err != nil {
		return "", fmt.Errorf("read the API key: %w", err)
	}
	defer f.Close() //nolint:errcheck // read side
	raw, err := io.ReadAll(io.LimitReader(f, maxKeyBytes+1))
	if err != nil {
		return "", fmt.Errorf("read the API key: %w", err)
	}
	key := strings.TrimSpace(string(raw))
	if len(raw) > maxKeyBytes || key == "" {
		return "", invalid("embed.openai.api_key_file", "embed.openai.api_key_file has %d bytes or more of key; it must be in 1..%d", len(key), maxKeyBytes)
	}
	return key, nil
}
