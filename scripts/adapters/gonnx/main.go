// gonnx runs the models of scripts/adapters/onnx/bridge.ts.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"

	"github.com/advancedclimatesystems/gonnx"
	"gorgonia.org/tensor"
)

type array struct {
	Dtype string `json:"dtype,omitempty"`
	Shape []int  `json:"shape"`
	Data  []any  `json:"data"`
}

type asked struct {
	Model  string           `json:"model"`
	Inputs map[string]array `json:"inputs"`
}

func number(x any) float64 {
	switch v := x.(type) {
	case float64:
		return v
	case string:
		return map[string]float64{"Infinity": math.Inf(1), "-Infinity": math.Inf(-1), "NaN": math.NaN()}[v]
	}
	return math.NaN()
}

func input(x array) (tensor.Tensor, error) {
	switch x.Dtype {
	case "float64":
		return nil, fmt.Errorf("float64 is not put to it")
	case "int32":
		data := make([]int32, len(x.Data))
		for i, v := range x.Data {
			data[i] = int32(number(v))
		}
		return tensor.New(tensor.WithShape(x.Shape...), tensor.WithBacking(data)), nil
	}
	data := make([]float32, len(x.Data))
	for i, v := range x.Data {
		data[i] = float32(number(v))
	}
	return tensor.New(tensor.WithShape(x.Shape...), tensor.WithBacking(data)), nil
}

func output(x tensor.Tensor) (array, error) {
	if x == nil {
		return array{}, fmt.Errorf("an output is nil")
	}
	result := array{Shape: append([]int{}, x.Shape()...), Data: []any{}}
	iterator := x.Iterator()
	flat, ok := x.Data().([]float32)
	if !ok {
		return result, fmt.Errorf("an output of type %v", x.Dtype())
	}
	for i, err := iterator.Next(); err == nil; i, err = iterator.Next() {
		v := float64(flat[i])
		switch {
		case math.IsNaN(v):
			result.Data = append(result.Data, "NaN")
		case math.IsInf(v, 1):
			result.Data = append(result.Data, "Infinity")
		case math.IsInf(v, -1):
			result.Data = append(result.Data, "-Infinity")
		default:
			result.Data = append(result.Data, v)
		}
	}
	return result, nil
}

func compute(request asked) (outputs map[string]array, err error) {
	defer func() {
		if panic := recover(); panic != nil {
			err = fmt.Errorf("panic: %v", panic)
		}
	}()
	model, err := gonnx.NewModelFromFile(request.Model)
	if err != nil {
		return nil, err
	}
	feeds := gonnx.Tensors{}
	for name, x := range request.Inputs {
		if feeds[name], err = input(x); err != nil {
			return nil, err
		}
	}
	found, err := model.Run(feeds)
	if err != nil {
		return nil, err
	}
	outputs = map[string]array{}
	for name, x := range found {
		if outputs[name], err = output(x); err != nil {
			return nil, err
		}
	}
	return outputs, nil
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "--version" {
		fmt.Println("gonnx 1.1.0")
		return
	}
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<28)
	for lines.Scan() {
		var request asked
		err := json.Unmarshal(lines.Bytes(), &request)
		var outputs map[string]array
		if err == nil {
			outputs, err = compute(request)
		}
		if err != nil {
			out.Encode(map[string]string{"error": err.Error()})
		} else {
			out.Encode(map[string]any{"outputs": outputs})
		}
	}
}
