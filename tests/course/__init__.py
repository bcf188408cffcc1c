"""The exercises and figures of a course on convolutional nets, each with the number its document prints.

The documents, by the titles they give themselves:

    000  Discussion sheet "CNNs, batch normalization, weight initialization, dropout, and ReLUs", problems 1 to 9
    001  CS 182 lecture notes (handwritten): convolution, AlexNet to ResNet; Lecture 7, Initialization, BatchNorm
    002  Notes "Convolutional Neural Networks": 1 Reading (from CS 231N), 2 Lecture
    003  Slides "Midterm Review"
    004  Slides "Deep Learning 2: initialization, normalization, NNs for images" (University of Tokyo)

A file has one topic. Tests are written as a student would write the solution.
"""
