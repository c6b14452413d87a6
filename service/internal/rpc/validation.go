package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"buf.build/go/protovalidate"
	"connectrpc.com/connect/v2"
	"connectrpc.com/validate"

	"github.com/engram-stream/engram/service/internal/fault"
	"github.com/engram-stream/engram/service/internal/memory"
)

// Validate checks requests against the rules in the contract, and makes faults
// of what they find. Bidirectional streams are left out: what is wrong with a
// frame there is for the session to say, in-band where it can be.
func Validate() connect.ServerInterceptor {
	check := validate.NewServerInterceptor(validate.WithoutErrorDetails())
	return func(next connect.ServerFunc) connect.ServerFunc {
		checked := check(next)
		return func(ctx context.Context, spec connect.Spec, stream connect.ServerStream) error {
			if spec.StreamType == connect.StreamTypeBidi {
				return next(ctx, spec, stream)
			}
			err := checked(ctx, spec, stream)
			var broken *protovalidate.ValidationError
			if errors.As(err, &broken) && len(broken.Violations) > 0 {
				return violated(broken.Violations)
			}
			return err
		}
	}
}

const (
	maxToldViolations = 4
	maxToldValue      = 2 * memory.MaxNameLength // bytes of a value that a text quotes
)

// violated makes one fault of the rules that a request breaks. Reason and field
// are the first one's; the text tells of the others too.
func violated(list []*protovalidate.Violation) *fault.Error {
	var out *fault.Error
	var told []string
	for _, v := range list[:min(len(list), maxToldViolations)] {
		f := violation(v)
		if out == nil {
			out = f
		}
		told = append(told, f.Message)
	}
	if n := len(list) - len(told); n > 0 {
		told = append(told, fmt.Sprintf("and %d more", n))
	}
	out.Message = strings.Join(told, "; ")
	return out
}

// violation says what one rule finds, in the words the engine uses for the
// same: the field, the value's size and the limit.
func violation(v *protovalidate.Violation) *fault.Error {
	field := protovalidate.FieldPathString(v.Proto.GetField())
	bad := func(r fault.Reason, format string, args ...any) *fault.Error {
		return fault.New(fault.InvalidArgument, r, field+" "+format, args...).In(field)
	}
	switch v.Proto.GetRuleId() {
	case "string.pattern": // only names have one
		name := v.FieldValue.String()
		return bad(fault.InvalidName, "is %q (%d bytes); it must be %d to %d of [a-z0-9_-]",
			clip(name), len(name), memory.MinNameLength, memory.MaxNameLength)
	case "uint32.lte":
		return bad(fault.InvalidField, "is %d; the limit is %d", v.FieldValue.Uint(), v.RuleValue.Uint())
	case "repeated.min_items":
		return bad(fault.InvalidField, "has %d elements; it must have at least %d", v.FieldValue.List().Len(), v.RuleValue.Uint())
	case "repeated.max_items":
		return bad(fault.TooLarge, "has %d elements; the limit is %d", v.FieldValue.List().Len(), v.RuleValue.Uint())
	case "required":
		if d := v.FieldDescriptor; d != nil && d.Message() != nil && d.Message().Name() == "RecallRequest" {
			return bad(fault.InvalidCue, "is not set")
		}
		return bad(fault.InvalidField, "is not set")
	case "enum.not_in":
		return bad(fault.InvalidField, "is %s, which it must not be", enumName(v))
	case "enum.defined_only":
		return bad(fault.InvalidField, "is %d, which this server does not know", v.FieldValue.Enum())
	}
	return bad(fault.InvalidField, "%s", v.Proto.GetMessage())
}

func enumName(v *protovalidate.Violation) string {
	n := v.FieldValue.Enum()
	if d := v.FieldDescriptor.Enum().Values().ByNumber(n); d != nil {
		return string(d.Name())
	}
	return fmt.Sprint(n)
}

// clip shortens what a text quotes.
func clip(s string) string {
	if len(s) <= maxToldValue {
		return s
	}
	s = s[:maxToldValue]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}
