// Command go runs all vectors and the throughput loops against the Sluice core.
//
// Exit code 0: every case passed; 1: some did not; 2: the input is not usable.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"time"

	"sluice/examples/embed/go/core"
)

const name = "go-wazero"

// report is the line that every host prints.
type report struct {
	Runtime     string   `json:"runtime"`
	Version     string   `json:"version"`
	Passed      int      `json:"passed"`
	Total       int      `json:"total"`
	NsPerPacket *float64 `json:"nsPerPacket"`
	NsPerAnswer *float64 `json:"nsPerAnswer"`
	StartMs     float64  `json:"startMs"`
}

func main() {
	asJSON := flag.Bool("json", false, "print one line of JSON")
	wasm := flag.String("module", "build/core/core.wasm", "the core")
	vectors := flag.String("vectors", "test/vectors", "the folder of the vectors")
	flag.Parse()
	if flag.NArg() > 0 {
		fail(fmt.Errorf("unexpected argument %q", flag.Arg(0)))
	}

	line, failures, err := run(context.Background(), *wasm, *vectors)
	if err != nil {
		fail(err)
	}
	for _, failure := range failures {
		fmt.Fprintln(os.Stderr, failure)
	}
	if err := line.print(*asJSON); err != nil {
		fail(err)
	}
	if len(failures) > 0 {
		os.Exit(1)
	}
}

func fail(err error) {
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	os.Exit(2)
}

func run(ctx context.Context, path, folder string) (line report, failures []string, err error) {
	begin := time.Now()
	module, abiVersion, err := start(ctx, path)
	if err != nil {
		return line, nil, err
	}
	startMs := time.Since(begin).Seconds() * 1e3
	defer func() { err = errors.Join(err, module.Close(ctx)) }()

	all, err := runVectors(ctx, module, folder, abiVersion)
	if err != nil {
		return line, nil, err
	}
	line = report{
		Runtime: name,
		Version: version(),
		Passed:  all.passed,
		Total:   all.total,
		StartMs: rounded(startMs),
	}
	measure := func(file string) (*float64, error) {
		path := filepath.Join(folder, "throughput", file)
		ns, err := nsPerItem(ctx, module, path, abiVersion)
		if wrong := (*loopError)(nil); errors.As(err, &wrong) {
			all.failures = append(all.failures, wrong.Error())
			return nil, nil
		}
		ns = rounded(ns)
		return &ns, err
	}
	if line.NsPerPacket, err = measure("packets.json"); err != nil {
		return line, nil, err
	}
	if line.NsPerAnswer, err = measure("answers.json"); err != nil {
		return line, nil, err
	}
	return line, all.failures, nil
}

// start loads the module up to the answer of its first export.
func start(ctx context.Context, path string) (*core.Module, uint32, error) {
	wasm, err := os.ReadFile(path)
	if err != nil {
		return nil, 0, err
	}
	module, err := core.Compile(ctx, wasm)
	if err != nil {
		return nil, 0, fmt.Errorf("%s is not a module that wazero takes: %w", path, err)
	}
	c, err := module.New(ctx, core.MinPages)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	abiVersion, err := c.Call(ctx, "abiVersion")
	return module, abiVersion, errors.Join(err, c.Close(ctx))
}

// version names the release of wazero that was linked in, and of Go.
func version() string {
	wazero := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == "github.com/tetratelabs/wazero" {
				wazero = dep.Version[1:]
			}
		}
	}
	return fmt.Sprintf("%s (%s)", wazero, runtime.Version())
}

func rounded(x float64) float64 { return math.Round(x*10) / 10 }

func (r report) print(asJSON bool) error {
	if asJSON {
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	_, err := fmt.Printf("%s %s: %d of %d cases, %s a packet, %s a DNS answer, started in %.1f ms\n",
		r.Runtime, r.Version, r.Passed, r.Total, nanoseconds(r.NsPerPacket), nanoseconds(r.NsPerAnswer), r.StartMs)
	return err
}

func nanoseconds(ns *float64) string {
	if ns == nil {
		return "not measured"
	}
	return fmt.Sprintf("%.1f ns", *ns)
}
