package engram

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	v1 "github.com/engram-stream/engram/gen/go/engram/v1"
)

// fill gives every field of m and of the messages below it a value of its own.
func fill(m protoreflect.Message, next *int) {
	for i := range m.Descriptor().Fields().Len() {
		f := m.Descriptor().Fields().Get(i)
		*next++
		switch f.Kind() {
		case protoreflect.MessageKind:
			fill(m.Mutable(f).Message(), next)
		case protoreflect.StringKind:
			m.Set(f, protoreflect.ValueOfString(f.TextName()))
		case protoreflect.BoolKind:
			m.Set(f, protoreflect.ValueOfBool(true))
		case protoreflect.EnumKind:
			m.Set(f, protoreflect.ValueOfEnum(3))
		case protoreflect.DoubleKind:
			m.Set(f, protoreflect.ValueOfFloat64(float64(*next)/128))
		case protoreflect.Uint32Kind:
			m.Set(f, protoreflect.ValueOfUint32(uint32(*next)))
		case protoreflect.Int32Kind:
			m.Set(f, protoreflect.ValueOfInt32(int32(*next)))
		case protoreflect.Int64Kind:
			m.Set(f, protoreflect.ValueOfInt64(int64(*next)))
		default:
			m.Set(f, protoreflect.ValueOfUint64(uint64(*next)))
		}
	}
}

// unset names the fields of v that are zero.
func unset(v reflect.Value, path string) (list []string) {
	if v.Kind() == reflect.Struct && v.NumField() > 0 && v.Type().PkgPath() == reflect.TypeOf(Space{}).PkgPath() {
		for i := range v.NumField() {
			list = append(list, unset(v.Field(i), path+"."+v.Type().Field(i).Name)...)
		}
	} else if v.IsZero() {
		list = append(list, path)
	}
	return list
}

// Everything that a space tells arrives, each in its place.
func TestSpacesArriveWhole(t *testing.T) {
	m, n := &v1.Space{}, 0
	fill(m.ProtoReflect(), &n)
	s := spaceOf(m)
	if missing := unset(reflect.ValueOf(s), "Space"); len(missing) > 0 {
		t.Errorf("%s are not read", strings.Join(missing, ", "))
	}
	x, y := m.Index, m.Memory
	if s.DeadRows != m.DeadRows || s.ResidentRows != m.ResidentRows || s.MappedRows != m.MappedRows {
		t.Errorf("rows: %+v; sent: %v", s, m)
	}
	if got := s.Index; got != (IndexStatus{ScanCodesSevenBit, x.CodeRecall, int(x.CodeCandidates), x.CodeTrialRows, true, IndexPaused}) {
		t.Errorf("index: %+v; sent: %v", got, x)
	}
	if got := s.Memory; got != (SpaceMemory{y.Used, y.Rows, y.Ids, y.Codes, y.Graph, y.Filters, y.Rest, y.Limit}) {
		t.Errorf("memory: %+v; sent: %v", got, y)
	}
	if old := spaceOf(&v1.Space{Id: "notes"}); old.ID != "notes" || old.Index.ScannedBy.String() != "unknown" || old.Index.Policy.String() != "unknown" {
		t.Errorf("of an older server: %+v", old)
	}
}

// In JSON, codes and policies are words.
func TestSpacesInJSON(t *testing.T) {
	b, err := json.Marshal(Space{Index: IndexStatus{ScannedBy: ScanCodesOneBit, CodeRecall: 0.99, Policy: IndexNarrow}, Memory: SpaceMemory{Codes: 7}})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"scanned_by":"1-bit"`, `"code_recall":0.99`, `"policy":"narrow"`, `"codes":7`, `"dead_rows":0`, `"resident_rows":0`, `"mapped_rows":0`} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%s is not in %s", want, b)
		}
	}
}

func TestCodesAndPoliciesHaveNames(t *testing.T) {
	for got, want := range map[string]string{
		ScanCodesUnknown.String(): "unknown", ScanCodesNone.String(): "none", ScanCodesOneBit.String(): "1-bit", ScanCodesSevenBit.String(): "7-bit",
		ScanCodes(4).String(): "codes 4", ScanCodes(-1).String(): "codes -1",
		IndexFull.String(): "full", IndexNarrow.String(): "narrow", IndexPaused.String(): "paused", IndexPolicy(4).String(): "policy 4",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, e := range []struct {
		values protoreflect.EnumValueDescriptors
		known  int
	}{{v1.ScanCodes(0).Descriptor().Values(), int(ScanCodesSevenBit)}, {v1.IndexPolicy(0).Descriptor().Values(), int(IndexPaused)}} {
		if last := e.values.Get(e.values.Len() - 1); int(last.Number()) != e.known {
			t.Errorf("%s has no name", last.FullName())
		}
	}
}
