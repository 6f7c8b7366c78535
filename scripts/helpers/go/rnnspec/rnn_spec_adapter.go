// Package rnnspec has what every adapter for the rnn-spec conformance kit needs, in one file to copy.
//
// An adapter puts a framework's recurrent layers to the goldens. With this file it is one function, which
// runs one layer in one direction over a batch of sequences:
//
//	func layer(kind string, x rnnspec.Tensor, state []rnnspec.Tensor, w rnnspec.Weights) ([]rnnspec.Tensor, error) {
//		if kind != "LSTM" {
//			return nil, rnnspec.Unsupported("only LSTM")
//		}
//		output, h, c := framework.LSTM(x.Data, w.IH.Data)
//		return []rnnspec.Tensor{output, h, c}, nil
//	}
//
//	func main() { rnnspec.Run(rnnspec.Adapter{Name: "framework 1.0", Layer: layer}) }
//
// kind is "RNN", "LSTM" or "GRU"; x is (L, N, features), time first; state is [h] or [h, c], each (N, H);
// w holds the weights in PyTorch's layout. What is returned is the output, (L, N, H), then the last h, and
// c. A panic is answered as a refusal. The rest is done here: the forms of a request (cells, no batch,
// batch_first), states that are left out, layers on top of each other, the reverse direction (time is
// turned around before and after), reading and writing of JSON. Packed sequences and projections are
// unsupported.
package rnnspec

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
)

// Tensor is flat and row-major.
type Tensor struct {
	Shape []int
	Data  []float64
}

// Unsupported is what the framework cannot do.
type Unsupported string

func (why Unsupported) Error() string { return string(why) }

// Weights of one layer in one direction, as PyTorch has them: the gates of an LSTM stand in the order
// i, f, g, o, those of a GRU in the order r, z, n.
type Weights struct {
	Kind string
	Relu bool      // of an RNN, in place of tanh
	Size int       // H
	IH   Tensor    // (gates * H, features)
	HH   Tensor    // (gates * H, H)
	BIH  []float64 // (gates * H), or nil
	BHH  []float64 // (gates * H), or nil
}

// Adapter is what an adapter consists of.
type Adapter struct {
	Name    string // the framework and its version, which --version prints
	Float64 bool   // whether float64 is put to it
	Layer   func(kind string, x Tensor, state []Tensor, w Weights) ([]Tensor, error)
	Linear  func(x, weight Tensor, bias []float64) (Tensor, error) // or nil
}

type array struct {
	Shape []int `json:"shape"`
	Data  []any `json:"data"`
}

type request struct {
	ID       any                        `json:"id"`
	Op       string                     `json:"op"`
	Module   string                     `json:"module"`
	Dtype    string                     `json:"dtype"`
	Training bool                       `json:"training"`
	Args     map[string]any             `json:"args"`
	Weights  map[string]array           `json:"state_dict"`
	Inputs   map[string]json.RawMessage `json:"inputs"`
}

func product(shape []int) int {
	size := 1
	for _, extent := range shape {
		size *= extent
	}
	return size
}

func read(x array) Tensor {
	special := map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}
	data := make([]float64, len(x.Data))
	for i, v := range x.Data {
		if text, ok := v.(string); ok {
			data[i] = special[text]
		} else {
			data[i] = v.(float64)
		}
	}
	return Tensor{x.Shape, data}
}

func write(x Tensor) array {
	data := make([]any, len(x.Data))
	for i, v := range x.Data {
		switch {
		case math.IsNaN(v):
			data[i] = "NaN"
		case math.IsInf(v, 0):
			data[i] = map[bool]string{true: "Infinity", false: "-Infinity"}[v > 0]
		default:
			data[i] = v
		}
	}
	return array{x.Shape, data}
}

// At is one index of the first dimension.
func (x Tensor) At(index int) Tensor {
	size := product(x.Shape[1:])
	return Tensor{x.Shape[1:], x.Data[index*size : (index+1)*size]}
}

func stack(parts []Tensor) Tensor {
	result := Tensor{Shape: append([]int{len(parts)}, parts[0].Shape...)}
	for _, part := range parts {
		result.Data = append(result.Data, part.Data...)
	}
	return result
}

// swap exchanges the first two dimensions.
func (x Tensor) swap() Tensor {
	a, b, size := x.Shape[0], x.Shape[1], product(x.Shape[2:])
	data := make([]float64, 0, len(x.Data))
	for j := 0; j < b; j++ {
		for i := 0; i < a; i++ {
			data = append(data, x.Data[(i*b+j)*size:(i*b+j+1)*size]...)
		}
	}
	return Tensor{append([]int{b, a}, x.Shape[2:]...), data}
}

// turn turns time around.
func (x Tensor) turn() Tensor {
	data := make([]float64, 0, len(x.Data))
	for t := x.Shape[0] - 1; t >= 0; t-- {
		data = append(data, x.At(t).Data...)
	}
	return Tensor{x.Shape, data}
}

// beside puts two tensors side by side in the last dimension.
func beside(a, b Tensor) Tensor {
	m, n := a.Shape[2], b.Shape[2]
	result := Tensor{Shape: []int{a.Shape[0], a.Shape[1], m + n}}
	for i := 0; i < a.Shape[0]*a.Shape[1]; i++ {
		result.Data = append(result.Data, a.Data[i*m:(i+1)*m]...)
		result.Data = append(result.Data, b.Data[i*n:(i+1)*n]...)
	}
	return result
}

func layersOf(kind string, relu bool, named map[string]array, cell bool) [][]Weights {
	of := func(suffix string) []Weights {
		ih, ok := named["weight_ih"+suffix]
		if !ok {
			return nil
		}
		w := Weights{Kind: kind, Relu: relu, IH: read(ih), HH: read(named["weight_hh"+suffix])}
		w.Size = w.HH.Shape[1]
		if bias, ok := named["bias_ih"+suffix]; ok {
			w.BIH, w.BHH = read(bias).Data, read(named["bias_hh"+suffix]).Data
		}
		return []Weights{w}
	}
	if cell {
		return [][]Weights{of("")}
	}
	var found [][]Weights
	for k := 0; ; k++ {
		own := append(of(fmt.Sprintf("_l%d", k)), of(fmt.Sprintf("_l%d_reverse", k))...)
		if len(own) == 0 {
			return found
		}
		found = append(found, own)
	}
}

func (a Adapter) answer(r request) (map[string]array, error) {
	number := func(name string) float64 { v, _ := r.Args[name].(float64); return v }
	switch {
	case r.Op != "forward":
		return nil, Unsupported("only forward passes are put to it")
	case r.Dtype == "float64" && !a.Float64:
		return nil, Unsupported("float64")
	case r.Inputs["lengths"] != nil:
		return nil, Unsupported("packed sequences: there are no lengths")
	case number("proj_size") > 0:
		return nil, Unsupported("proj_size")
	case r.Training && number("dropout") > 0:
		return nil, Unsupported("dropout in training")
	}
	given := map[string]Tensor{}
	for name, raw := range r.Inputs {
		var x array
		if err := json.Unmarshal(raw, &x); err != nil {
			return nil, err
		}
		given[name] = read(x)
	}
	if r.Module == "Linear" && a.Linear != nil {
		var bias []float64
		if b, ok := r.Weights["bias"]; ok {
			bias = read(b).Data
		}
		y, err := a.Linear(given["input"], read(r.Weights["weight"]), bias)
		return map[string]array{"output": write(y)}, err
	}
	kind, cell := strings.CutSuffix(r.Module, "Cell")
	if !slices.Contains([]string{"RNN", "LSTM", "GRU"}, kind) {
		return nil, Unsupported("module " + r.Module)
	}
	layers := layersOf(kind, r.Args["nonlinearity"] == "relu", r.Weights, cell)
	return a.recurrent(kind, cell, r.Args["batch_first"] == true, given, layers)
}

// recurrent brings the forms of a request to one, runs the layers, and brings the results back.
func (a Adapter) recurrent(kind string, cell, batchFirst bool, given map[string]Tensor, layers [][]Weights) (map[string]array, error) {
	x := given["input"]
	single := len(x.Shape) == map[bool]int{true: 1, false: 2}[cell]
	flip := batchFirst && !single && !cell
	widen := func(x Tensor) Tensor {
		shape := slices.Clone(x.Shape)
		if cell {
			shape = slices.Insert(shape, 0, 1)
		}
		if single {
			shape = slices.Insert(shape, 1, 1)
		}
		return Tensor{shape, x.Data}
	}
	narrow := func(x Tensor) array {
		shape := slices.Clone(x.Shape)
		if single {
			shape = slices.Delete(shape, 1, 2)
		}
		if cell {
			shape = shape[1:]
		}
		return write(Tensor{shape, x.Data})
	}
	if x = widen(x); flip {
		x = x.swap()
	}
	rows := 0
	for _, directions := range layers {
		rows += len(directions)
	}
	names := []string{"h_0", "c_0"}
	if kind != "LSTM" {
		names = names[:1]
	}
	var states []Tensor
	for _, name := range names {
		if s, ok := given[name]; ok {
			states = append(states, widen(s))
		} else {
			shape := []int{rows, x.Shape[1], layers[0][0].Size}
			states = append(states, Tensor{shape, make([]float64, product(shape))})
		}
	}
	finals := make([][]Tensor, len(states))
	for _, directions := range layers {
		var halves []Tensor
		for direction, w := range directions {
			var start []Tensor
			for _, s := range states {
				start = append(start, s.At(len(finals[0])))
			}
			own := x
			if direction == 1 {
				own = x.turn()
			}
			results, err := a.Layer(kind, own, start, w)
			if err != nil {
				return nil, err
			}
			if direction == 1 {
				results[0] = results[0].turn()
			}
			halves = append(halves, results[0])
			for k := range finals {
				finals[k] = append(finals[k], results[k+1])
			}
		}
		if x = halves[0]; len(halves) == 2 {
			x = beside(halves[0], halves[1])
		}
	}
	outputs := map[string]array{}
	ends := []string{"h_n", "c_n"}
	if cell {
		ends = []string{"h_1", "c_1"}
	} else if flip {
		outputs["output"] = narrow(x.swap())
	} else {
		outputs["output"] = narrow(x)
	}
	for k, all := range finals {
		outputs[ends[k]] = narrow(stack(all))
	}
	return outputs, nil
}

func (a Adapter) guarded(r request) (outputs map[string]array, err error) {
	defer func() {
		if panic := recover(); panic != nil {
			err = fmt.Errorf("panic: %v", panic)
		}
	}()
	return a.answer(r)
}

// Run answers requests on standard input until it ends.
func Run(a Adapter) {
	if slices.Contains(os.Args, "--version") {
		fmt.Println(a.Name)
		return
	}
	out := json.NewEncoder(os.Stdout)
	os.Stdout = os.Stderr // frameworks greet on standard output
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<28)
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			panic(err)
		}
		answer := map[string]any{"id": r.ID}
		outputs, err := a.guarded(r)
		switch why := err.(type) {
		case nil:
			answer["outputs"] = outputs
		case Unsupported:
			answer["unsupported"] = string(why)
		default:
			answer["error"] = map[string]string{"type": "Error", "message": err.Error()}
		}
		out.Encode(answer)
	}
}
