// Measures one scenario as child.ts does for the peers in JavaScript, and prints the same as one line of JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

type run struct {
	N      int     `json:"n"`
	CpuNs  float64 `json:"cpuNs"`
	WallNs float64 `json:"wallNs"`
	Result int     `json:"result"`
}

type report struct {
	Warm      []run    `json:"warm"`
	Runs      []run    `json:"runs"`
	HeldBytes *float64 `json:"heldBytes"`
	PeakRssMb float64  `json:"peakRssMb"`
}

// A span of work: an adapter that prepares something first calls begin when that is ready, and look when all that it
// wants measured in memory is there.
type span struct {
	n      int
	wall   time.Time
	cpu    int64
	before uint64
	memory bool
	held   *float64
}

func (s *span) begin() {
	if s.memory {
		s.look()
	}
	s.cpu = cpuNs()
	s.wall = time.Now()
}

func (s *span) look() {
	if !s.memory {
		return
	}
	held := (float64(inUse()) - float64(s.before)) / float64(s.n)
	s.held = &held
}

func cpuNs() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

// Heap and stacks after a collection.
func inUse() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc + stats.StackInuse
}

func once(adapter func(n int, s *span) int, n int, memory bool) (run, *float64) {
	s := &span{n: n, memory: memory}
	if memory {
		s.before = inUse()
	}
	s.cpu = cpuNs()
	s.wall = time.Now()
	result := adapter(n, s)
	cpu, wall := cpuNs()-s.cpu, time.Since(s.wall)
	return run{n, float64(cpu) / float64(n), float64(wall.Nanoseconds()) / float64(n), result}, s.held
}

func number(at int) int {
	value, err := strconv.Atoi(os.Args[at])
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	adapter, known := scenarios[os.Args[1]]
	if !known {
		panic("unknown scenario: " + os.Args[1])
	}
	n, warmMs, measureMs, maxRuns := number(2), number(3), number(4), number(5)
	var out report
	few := n / 20
	if few < 1000 {
		few = 1000
	}
	for start := time.Now(); len(out.Warm) == 0 || time.Since(start) < time.Duration(warmMs)*time.Millisecond; {
		warm, _ := once(adapter, few, false)
		out.Warm = append(out.Warm, warm)
	}
	// The run in which memory is looked at collects garbage in its middle: it is checked, not counted.
	first, held := once(adapter, n, true)
	out.Warm = append(out.Warm, first)
	out.HeldBytes = held
	for start := time.Now(); len(out.Runs) == 0 ||
		time.Since(start) < time.Duration(measureMs)*time.Millisecond && len(out.Runs) < maxRuns; {
		counted, _ := once(adapter, n, false)
		out.Runs = append(out.Runs, counted)
	}
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	out.PeakRssMb = float64(usage.Maxrss) / 1024
	line, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(line))
}
