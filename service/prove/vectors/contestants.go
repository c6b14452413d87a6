package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// contestant is a library that is measured, in processes of its own.
type contestant struct {
	name string
	what string // for the page
	arg  string // its name within the process
	// ready gives the command to start, or why there is none.
	ready func(s settings, dir string) (command []string, version string, err error)
}

const own = "engram"

// contestants, ours first.
var contestants = []contestant{
	{own, "package space as a server drives it: rows are prepared (with the frame that the journal would keep), applied, published and indexed in batches; " +
		"recalls pin a snapshot and decode the observations they return. Nothing is written to disk", own, ready},
	{"hnswlib", "C++, f32", "f32", readyCxx},
	{"hnswlib-8bit", "hnswlib over 8-bit codes, with VPDPBUSD where the processor has it; twice as many candidates as asked for are ranked again in f32. " +
		"What it gains over the row above comes from codes, what the first row gains over it from the rest of the design", "codes", readyCxx},
	{"usearch", "Python package (C++), f32; queries of a pass are handed over in one call", "usearch", readyPython},
	{"faiss", "Python package (C++), IndexHNSWFlat; queries of a pass are handed over in one call", "faiss", readyPython},
}

func ready(settings, string) ([]string, string, error) {
	self, err := os.Executable()
	return []string{self, "-child"}, "", err
}

// readyCxx compiles the C++ program, once a run.
func readyCxx(_ settings, dir string) ([]string, string, error) {
	program := filepath.Join(dir, "hnswlib")
	if _, err := os.Stat(program); err == nil {
		return []string{program}, "", nil
	}
	if _, err := exec.LookPath("g++"); err != nil {
		return nil, "", errors.New("no g++")
	}
	cmd := exec.Command("g++", "-O3", "-march=native", "-std=c++17", "-w", "-pthread", "-o", program, filepath.Join("cpp", "hnswlib.cpp")) //nolint:gosec // our own source
	if out, err := cmd.CombinedOutput(); err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return nil, "", fmt.Errorf("compile: %w: %s", err, first)
	}
	return []string{program}, debianVersion("libhnswlib-dev"), nil
}

func debianVersion(name string) string {
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", name).Output() //nolint:gosec // a name of ours
	if err != nil {
		return ""
	}
	return name + " " + string(out)
}

// readyPython looks whether the venv has the package.
func readyPython(s settings, _ string) ([]string, string, error) {
	if s.python == "" {
		return nil, "", errors.New("no Python with the packages was given (-python)")
	}
	const versions = "import importlib.metadata as m, usearch.index, faiss; print('usearch', m.version('usearch') + ', faiss-cpu', m.version('faiss-cpu'), end='')"
	out, err := exec.Command(s.python, "-c", versions).CombinedOutput() //nolint:gosec // the Python to use
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return nil, "", fmt.Errorf("%w: %s", err, lines[len(lines)-1])
	}
	return []string{s.python, filepath.Join("python", "peers.py")}, string(out), nil
}
